/* SPDX-License-Identifier: Apache-2.0
 * compiler/llvm/emit_plan.c -- an rt_plan as constant data of a module, for objects that run without this process. The structs of
 * runtime/abi.h, field by field; check_layout holds them against the C compiler's offsets. To add a field to one of them:
 * its column in the type and in the value here, and its row in check_layout. */
#include <stddef.h>
#include <stdio.h>
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
		size_t offset, size; /* of the struct */
	} row[] = {
		{w->slot, 1, offsetof(rt_slot, index), sizeof(rt_slot)}, {w->slot, 2, offsetof(rt_slot, offset), sizeof(rt_slot)},
		{w->slot, 3, offsetof(rt_slot, code), sizeof(rt_slot)},
		{w->launch, 2, offsetof(rt_launch, slot), sizeof(rt_launch)}, {w->launch, 3, offsetof(rt_launch, nslot), sizeof(rt_launch)},
		{w->launch, 5, offsetof(rt_launch, arg), sizeof(rt_launch)}, {w->launch, 6, offsetof(rt_launch, rows), sizeof(rt_launch)},
		{w->launch, 9, offsetof(rt_launch, col_block), sizeof(rt_launch)},
		{w->launch, 10, offsetof(rt_launch, down), sizeof(rt_launch)},
		{w->work, 1, offsetof(rt_work, barrier), sizeof(rt_work)}, {w->work, 3, offsetof(rt_work, hi), sizeof(rt_work)},
		{w->port, 1, offsetof(rt_port, bytes), sizeof(rt_port)}, {w->port, 3, offsetof(rt_port, written), sizeof(rt_port)},
		{w->port, 4, offsetof(rt_port, rows), sizeof(rt_port)}, {w->port, 6, offsetof(rt_port, place), sizeof(rt_port)},
		{w->plan, 2, offsetof(rt_plan, work), sizeof(rt_plan)}, {w->plan, 4, offsetof(rt_plan, threads), sizeof(rt_plan)},
		{w->plan, 5, offsetof(rt_plan, leaf), sizeof(rt_plan)}, {w->plan, 7, offsetof(rt_plan, nleaf), sizeof(rt_plan)},
		{w->plan, 9, offsetof(rt_plan, arena_bytes), sizeof(rt_plan)},
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
	(void)t;
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

		v[i] = structure(w->slot, (val[]){number(w->i32, s->kind), number(w->i32, s->index), number(w->i64, (int64_t)s->offset),
						  s->kind == RT_SLOT_CODE ? epilogue : LLVMConstNull(w->ptr)});
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
		v[i] = structure(w->launch, (val[]){fn[i], LLVMConstNull(w->ptr), slots(w, l, epilogue[i], a), number(w->i32, l->nslot),
						    number(w->i32, l->narg), array(w, w->i64, arg, l->narg), number(w->i64, l->rows),
						    number(w->i64, l->cols), number(w->i64, l->row_block), number(w->i64, l->col_block),
						    number(w->i8, l->down)});
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

	for (size_t i = 0; i < n; i++)
		v[i] = structure(w->port, (val[]){LLVMConstNull(w->ptr), number(w->i64, (int64_t)p[i].bytes), number(w->i8, p[i].panels),
						  number(w->i8, p[i].written), number(w->i64, p[i].rows), number(w->i64, p[i].cols),
						  number(w->i64, (int64_t)p[i].place)});
	return array(w, w->port, v, n);
}

val em_plan(LLVMModuleRef m, const rt_plan *p, const val *fn, const val *epilogue, ir_arena *a)
{
	words w;
	val plan;

	start(&w, m);
	check_layout(&w);
	plan = structure(w.plan, (val[]){launches(&w, p, fn, epilogue, a), number(w.i64, (int64_t)p->nlaunch), works(&w, p, a),
					 starts(&w, p, a), number(w.i32, p->threads), ports(&w, p->leaf, p->nleaf, a),
					 ports(&w, p->output, p->noutput, a), number(w.i64, (int64_t)p->nleaf),
					 number(w.i64, (int64_t)p->noutput), number(w.i64, (int64_t)p->arena_bytes)});
	return array(&w, w.plan, &plan, 1);
}
