/* SPDX-License-Identifier: Apache-2.0 */
#include "search/report/report_int.h"
bool se_report_wants_pictures(const se_report *r)
{
	return r->o->pictures && r->best;
}
void se_report_pictures(se_report *r)
{
	(void)r;
}
