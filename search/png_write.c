/* SPDX-License-Identifier: Apache-2.0
 * Grey pictures by libpng's simplified interface, which reports errors instead of jumping. */
#include <png.h>
#include "search/formats.h"

#include <stdlib.h>

bool se_png_grey(const uint8_t *pixel, size_t width, size_t height, ir_str *out)
{
	png_image image = {.version = PNG_IMAGE_VERSION, .width = (png_uint_32)width, .height = (png_uint_32)height,
			   .format = PNG_FORMAT_GRAY};
	png_alloc_size_t bytes = PNG_IMAGE_PNG_SIZE_MAX(image);
	char *memory = ir_xmalloc(bytes, 1);
	bool ok = png_image_write_to_memory(&image, memory, &bytes, 0, pixel, 0, NULL);

	if (ok)
		sb_putn(out, memory, bytes);
	png_image_free(&image);
	free(memory);
	return ok;
}
