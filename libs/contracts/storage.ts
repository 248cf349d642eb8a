import { z } from 'zod';
import { Id, Name, PageQuery, Timestamp } from './common.js';

/** `local`: each host has a folder of its own at that path; `shared`: all hosts mount one and the same there. */
export const StorageDomainKind = z.enum(['local', 'shared']);
export type StorageDomainKind = z.infer<typeof StorageDomainKind>;

/** A folder on hosts. What is not absolute is below the agent's own folder, so it can only be local. */
const StoragePath = z
  .string()
  .max(1000)
  .regex(
    /^\/?[^/,:]+(\/[^/,:]+)*$/,
    'give a folder such as /var/lib/drover/disks, without commas, colons and a / at its end',
  )
  .refine((path) => !path.split('/').includes('..'), 'give a folder without ..');

/** Where disks of a cluster's VMs are. */
export const StorageDomainView = z.object({
  id: Id,
  clusterId: Id,
  name: Name,
  kind: StorageDomainKind,
  path: z.string(),
  /** Disks of all VMs that are here, and what they may grow to. */
  diskCount: z.int(),
  diskMiB: z.int(),
  createdAt: Timestamp,
});
export type StorageDomainView = z.infer<typeof StorageDomainView>;

export const CreateStorageDomain = z
  .object({ name: Name, clusterId: Id, kind: StorageDomainKind, path: StoragePath })
  .refine(({ kind, path }) => kind === 'local' || path.startsWith('/'), {
    path: ['path'],
    message: 'hosts share only a folder with an absolute path: begin it with /',
  });
export type CreateStorageDomain = z.infer<typeof CreateStorageDomain>;

export const StorageDomainQuery = PageQuery.extend({ clusterId: Id.optional(), name: Name.optional() });
export type StorageDomainQuery = z.infer<typeof StorageDomainQuery>;

const MAX_DISK_MIB = 16 * 1024 * 1024;
export const MAX_DISKS = 8;
const sizeMiB = z.int().min(1).max(MAX_DISK_MIB);
/** A file NAME.img in the hosts' image folders that a new disk begins with. */
const sourceImage = z
  .string()
  .regex(/^[a-z0-9][a-z0-9._-]{0,62}$/, "name a file in the hosts' image folders without its .img, such as debian")
  .nullable();

/** A disk of a VM, as an agent needs it; the first one is the first block device of the guest. */
export const Disk = z.object({
  /** Its serial number too. */
  name: Name.max(20, 'at most 20 characters'),
  sizeMiB,
  storageDomainId: Id,
  storageDomain: Name,
  kind: StorageDomainKind,
  /** The storage domain's folder. */
  path: StoragePath,
  sourceImage,
});
export type Disk = z.infer<typeof Disk>;

export const CreateDisk = z.object({
  /** disk-1 and so on unless given. */
  name: Disk.shape.name.optional(),
  sizeMiB,
  storageDomainId: Id,
  sourceImage: sourceImage.default(null),
});
export type CreateDisk = z.infer<typeof CreateDisk>;
