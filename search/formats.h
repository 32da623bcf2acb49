/* SPDX-License-Identifier: Apache-2.0
 * search/formats.h -- bytes of files that other programs read: arrays for NumPy, pictures. */
#ifndef SEARCH_FORMATS_H
#define SEARCH_FORMATS_H

#include "ir/ir.h"

/* The header of a .npy file, version 1.0: rows x width numbers of type F32 or F64 follow, by rows, in the byte order of
 * this machine, which is x86's. width 0: a vector. */
void se_npy_header(ir_dtype dtype, size_t rows, int64_t width, ir_str *out);

/* A grey picture of 8 bits as PNG, appended to out. False if libpng refuses it, which needs sizes beyond its limits. */
bool se_png_grey(const uint8_t *pixel, size_t width, size_t height, ir_str *out);

#endif
