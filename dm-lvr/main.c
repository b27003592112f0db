// SPDX-License-Identifier: GPL-2.0-only
/* Module: registers what target.c provides. */
#include <linux/module.h>

#include "lvr.h"

static int __init lvr_init(void)
{
	int ret;

	ret = dm_register_target(&lvr_group_target);
	if (ret)
		return ret;
	ret = dm_register_target(&lvr_volume_target);
	if (ret)
		dm_unregister_target(&lvr_group_target);
	return ret;
}

static void __exit lvr_exit(void)
{
	dm_unregister_target(&lvr_volume_target);
	dm_unregister_target(&lvr_group_target);
	lvr_listener_exit();
}

module_init(lvr_init);
module_exit(lvr_exit);

MODULE_DESCRIPTION("Logical Volume Replicator");
MODULE_LICENSE("GPL");
MODULE_ALIAS("dm-" LVR_TARGET_GROUP);
MODULE_ALIAS("dm-" LVR_TARGET_VOLUME);
MODULE_SOFTDEP("pre: crypto-crc32c crypto-sha256 crypto-hmac");
