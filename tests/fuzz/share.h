/* SPDX-License-Identifier: Apache-2.0
 * tests/fuzz/share.h -- how inputs of fuzz_share.c leave out the empty part of a shared data set's first page. */
#ifndef TESTS_FUZZ_SHARE_H
#define TESTS_FUZZ_SHARE_H

#define FZ_PAGE 4096
#define FZ_HEAD 128 /* header and name */

#endif
