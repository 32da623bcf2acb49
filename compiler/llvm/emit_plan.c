/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_plan.c -- an rt_plan as constant data of a module, for objects that run without this process. The structs of
 * runtime/abi.h, field by field; check_layout holds them against the C compiler's offsets. To add a field to one of them:
 * its column in the type and in the value here, and its row in check_layout. */
#include <stddef.h>
#include <llvm-c/Target.h>
#include "compiler/llvm/emit_plan.h"

typedef struct words {
	LLVMModuleRef m;
	LLVMContextRef c;
	LLVMTypeRef i8, i32, i64, ptr;
	LLVMTypeRef slot, launch, work, port, plan;
} words;

static LLVMTypeRef struct_type(words *w, LLVMTypeRef *field, unsigned n)
{
	return LLVMStructTypeInContext(w->c, field, n, 0);
}

#define STRUCT(w, ...) struct_type(w, (LLVMTypeRef[]){__VA_ARGS__}, sizeof((LLVMTypeRef[]){__VA_ARGS__}) / sizeof(LLVMTypeRef))

static void start(words *w, LLVMModuleRef m)
{
	*w = (words){.m = m, .c = LLVMGetModuleContext(m)};
	w->i8 = LLVMInt8TypeInContext(w->c), w->i32 = LLVMInt32TypeInContext(w->c), w->i64 = LLVMInt64TypeInContext(w->c);
	w->ptr = LLVMPointerTypeInContext(w->c, 0);
	w->slot = STRUCT(w, w->i32, w->i32, w->i64, w->ptr);
	w->launch = STRUCT(w, w->ptr, w->ptr, w->ptr, w->i32, w->i32, w->ptr, w->i64, w->i64, w->i64, w->i64, w->i8);
	w->work = STRUCT(w, w->i32, w->i32, w->i64, w->i64);
	w->port = STRUCT(w, w->ptr, w->i64, w->i8, w->i8, w->i64, w->i64, w->i64);
	w->plan = STRUCT(w, w->ptr, w->i64, w->ptr, w->ptr, w->i32, w->ptr, w->ptr, w->i64, w->i64, w->i64);
}

static void check_layout(const words *w)
{
	LLVMTargetDataRef layout = LLVMGetModuleDataLayout(w->m);
	const struct {
		LLVMTypeRef type;
		unsigned field;
		size_t offset, size; /* of the field; of the struct */
	} row[] = {
#define FIELD(type, n, name) {w->type, n, offsetof(rt_##type, name), sizeof(rt_##type)}
		FIELD(slot, 1, index), FIELD(slot, 2, offset), FIELD(slot, 3, code),
		FIELD(launch, 2, slot), FIELD(launch, 3, nslot), FIELD(launch, 5, arg), FIELD(launch, 6, rows),
		FIELD(launch, 9, col_block), FIELD(launch, 10, down),
		FIELD(work, 1, barrier), FIELD(work, 3, hi),
		FIELD(port, 1, bytes), FIELD(port, 3, written), FIELD(port, 4, rows), FIELD(port, 6, place),
		FIELD(plan, 2, work), FIELD(plan, 4, threads), FIELD(plan, 5, leaf), FIELD(plan, 7, nleaf),
		FIELD(plan, 9, arena_bytes),
#undef FIELD
	};

	for (size_t i = 0; i < sizeof row / sizeof *row; i++)
		IR_ASSERT(LLVMOffsetOfElement(layout, row[i].type, row[i].field) == row[i].offset &&
			  LLVMABISizeOfType(layout, row[i].type) == row[i].size, "row %zu differs from runtime/abi.h", i);
}

static val number(LLVMTypeRef t, int64_t v)
{
	return LLVMConstInt(t, (unsigned long long)v, 1);
}

static val structure(LLVMTypeRef t, val *field)
{
	return LLVMConstStructInContext(LLVMGetTypeContext(t), field, LLVMCountStructElementTypes(t), 0);
}

/* A private constant array; its address. */
static val array(words *w, LLVMTypeRef t, val *v, size_t n)
{
	val g = LLVMAddGlobal(w->m, LLVMArrayType2(t, n), "");

	LLVMSetInitializer(g, LLVMConstArray2(t, v, n));
	LLVMSetGlobalConstant(g, 1);
	LLVMSetLinkage(g, LLVMPrivateLinkage);
	return g;
}

static val slots(words *w, const rt_launch *l, val epilogue, ir_arena *a)
{
	val *v = ar_new(a, val, l->nslot + 1);

	for (uint32_t i = 0; i < l->nslot; i++) {
		const rt_slot *s = &l->slot[i];
		val field[] = {
			number(w->i32, s->kind), number(w->i32, s->index), number(w->i64, (int64_t)s->offset),
			s->kind == RT_SLOT_CODE ? epilogue : LLVMConstNull(w->ptr),
		};

		v[i] = structure(w->slot, field);
	}
	return array(w, w->slot, v, l->nslot);
}

static val launches(words *w, const rt_plan *p, const val *fn, const val *epilogue, ir_arena *a)
{
	val *v = ar_new(a, val, p->nlaunch + 1);

	for (size_t i = 0; i < p->nlaunch; i++) {
		const rt_launch *l = &p->launch[i];
		val *arg = ar_new(a, val, l->narg + 1);

		for (uint32_t k = 0; k < l->narg; k++)
			arg[k] = number(w->i64, l->arg[k]);
		val slot = slots(w, l, epilogue[i], a), args = array(w, w->i64, arg, l->narg);
		val field[] = {
			fn[i], LLVMConstNull(w->ptr), slot, number(w->i32, l->nslot), number(w->i32, l->narg), args,
			number(w->i64, l->rows), number(w->i64, l->cols),
			number(w->i64, l->row_block), number(w->i64, l->col_block), number(w->i8, l->down),
		};
		v[i] = structure(w->launch, field);
	}
	return array(w, w->launch, v, p->nlaunch);
}

static val works(words *w, const rt_plan *p, ir_arena *a)
{
	size_t n = p->start[p->threads];
	val *v = ar_new(a, val, n + 1);

	for (size_t i = 0; i < n; i++)
		v[i] = structure(w->work, (val[]){number(w->i32, p->work[i].launch), number(w->i32, p->work[i].barrier),
						  number(w->i64, p->work[i].lo), number(w->i64, p->work[i].hi)});
	return array(w, w->work, v, n);
}

static val starts(words *w, const rt_plan *p, ir_arena *a)
{
	val *v = ar_new(a, val, (size_t)p->threads + 1);

	for (int t = 0; t <= p->threads; t++)
		v[t] = number(w->i32, p->start[t]);
	return array(w, w->i32, v, (size_t)p->threads + 1);
}

static val ports(words *w, const rt_port *p, size_t n, ir_arena *a)
{
	val *v = ar_new(a, val, n + 1);

	for (size_t i = 0; i < n; i++) {
		val field[] = {
			LLVMConstNull(w->ptr), number(w->i64, (int64_t)p[i].bytes),
			number(w->i8, p[i].panels), number(w->i8, p[i].written),
			number(w->i64, p[i].rows), number(w->i64, p[i].cols), number(w->i64, (int64_t)p[i].place),
		};

		v[i] = structure(w->port, field);
	}
	return array(w, w->port, v, n);
}

val em_plan(LLVMModuleRef m, const rt_plan *p, const val *fn, const val *epilogue, ir_arena *a)
{
	words w;
	val launch, work, begin, leaf, output, plan;

	start(&w, m);
	check_layout(&w);
	launch = launches(&w, p, fn, epilogue, a);
	work = works(&w, p, a), begin = starts(&w, p, a);
	leaf = ports(&w, p->leaf, p->nleaf, a), output = ports(&w, p->output, p->noutput, a);
	plan = structure(w.plan, (val[]){launch, number(w.i64, (int64_t)p->nlaunch), work, begin, number(w.i32, p->threads), leaf,
					 output, number(w.i64, (int64_t)p->nleaf), number(w.i64, (int64_t)p->noutput),
					 number(w.i64, (int64_t)p->arena_bytes)});
	return array(&w, w.plan, &plan, 1);
}
