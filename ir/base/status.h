/* SPDX-License-Identifier: Apache-2.0
 * How a call that can meet the outside world ended. Faults of the input travel through ir_diag instead,
 * bugs of ours through ir_bug(): the three kinds are never mixed.  ORDER STATUS: gradmill.h repeats the
 * values for users; compiler/api/api.c asserts that both agree. */
#ifndef IR_BASE_STATUS_H
#define IR_BASE_STATUS_H

typedef enum ir_status {
	IR_OK = 0,
	IR_EINPUT, /* the user's text, file or option is wrong; the sink holds the message    exit 65 */
	IR_ENOINPUT, /* a file or data set is not there                                         exit 66 */
	IR_ENOMEM, /* tensors do not fit the memory budget: an ordinary result of a search    exit 71 */
	IR_EIO,    /* reading or writing failed                                               exit 74 */
	IR_EBUSY,  /* somebody else holds the lock                                            exit 75 */
	IR_EUNAVAILABLE, /* a database that is not ours, a service that is missing                  exit 69 */
	IR_EINTERNAL,    /* LLVM or the operating system refused something that should have worked  exit 70 */
	IR_ENAN,         /* training produced a value that is not finite */
	IR_EINTR,        /* asked to stop                                                           exit 130 */
	IR_EFULL,        /* no space left on a disk: the same can be tried again when there is      exit 74 */
	IR_STATUS_COUNT
} ir_status;

#define IR_MUSTUSE __attribute__((warn_unused_result))

/* "out of memory" and so on; never NULL. */
const char *ir_status_text(ir_status s);

/* The sysexits code that a command ends with. */
int ir_status_exit(ir_status s);

#endif
