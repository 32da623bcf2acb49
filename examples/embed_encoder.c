/* SPDX-License-Identifier: Apache-2.0
 * Uses a trained encoder without gradmill, LLVM, or any other library: encoder.o and encoder.h were made by gradmill compile
 * (embed_encoder.sh shows how) and hold its code and its weights. Draws an H, and prints its code and how well that tells it. */
#include "encoder.h"
#include <stdio.h>

enum { SIDE = 28, LATENT = 32 };

static float picture[SIDE * SIDE], code[LATENT], back[SIDE * SIDE];
static _Alignas(64) char work[ENCODER_ENCODE_WORK > ENCODER_DECODE_WORK ? ENCODER_ENCODE_WORK : ENCODER_DECODE_WORK];

int main(void)
{
	float error = 0;

	for (int r = 4; r < SIDE - 4; r++)
		for (int c = 6; c < SIDE - 6; c++)
			picture[r * SIDE + c] = c < 10 || c >= SIDE - 10 || (r >= 12 && r < 16) ? 1.0f : 0.0f;
	encoder_encode(picture, code, work);
	encoder_decode(code, back, work);
	for (int i = 0; i < LATENT; i++)
		printf("%8.4f%s", (double)code[i], i % 8 == 7 ? "\n" : " ");
	for (int i = 0; i < SIDE * SIDE; i++)
		error += (picture[i] - back[i]) * (picture[i] - back[i]) / (SIDE * SIDE);
	printf("mean squared error of the reconstruction: %.4f\n", (double)error);
	return 0;
}
