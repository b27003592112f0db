/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between the kernels that are supported; the code is written for the newest. */
#ifndef LVR_COMPAT_H
#define LVR_COMPAT_H

#include <linux/version.h>
#include <linux/bio.h>
#include <linux/blkdev.h>
#include <linux/net.h>
#include <linux/timer.h>

/* for crypto_memneq() */
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 7, 0)
#include <crypto/utils.h>
#else
#include <crypto/algapi.h>
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 5, 0)
typedef fmode_t blk_mode_t;
#define BLK_OPEN_READ	FMODE_READ
#define BLK_OPEN_WRITE	FMODE_WRITE
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 10, 0)
static inline void bio_list_merge_init(struct bio_list *to, struct bio_list *from)
{
	bio_list_merge(to, from);
	bio_list_init(from);
}
#endif

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 10, 0)
#define lvr_assign_str(field, src)	__assign_str(field)
#else
#define lvr_assign_str(field, src)	__assign_str(field, src)
#endif

static inline void lvr_limit_discard(struct queue_limits *limits, unsigned int sectors)
{
	limits->max_hw_discard_sectors = sectors;
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 9, 0)
	limits->max_discard_sectors = sectors;
#endif
}

static inline void lvr_limit_zeroes(struct queue_limits *limits, unsigned int sectors)
{
	limits->max_write_zeroes_sectors = sectors;
#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 17, 0)
	/* of the origin; has to be 0 or the same */
	if (limits->max_hw_wzeroes_unmap_sectors)
		limits->max_hw_wzeroes_unmap_sectors = sectors;
#endif
}

#if LINUX_VERSION_CODE >= KERNEL_VERSION(6, 19, 0)
#define lvr_sockaddr(a)	((struct sockaddr_unsized *)(a))
#else
#define lvr_sockaddr(a)	((struct sockaddr *)(a))
#endif

#endif
