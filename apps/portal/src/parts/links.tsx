/** Links to things by id, with their present name. */
import { Link } from 'react-router';
import { useInventory } from '../live/inventory.js';

export function HostLink({ id, name }: { id: string | null; name?: string }) {
  const { hosts } = useInventory();
  if (id === null) return <span className="subtle">none</span>;
  const known = hosts.find((host) => host.id === id);
  if (!known) return <span className="subtle">{name ?? 'a deleted host'}</span>;
  return (
    <Link to={`/hosts/${id}`} className="nowrap">
      {known.name}
    </Link>
  );
}

export function VmLink({ id, name }: { id: string; name?: string }) {
  const { vms } = useInventory();
  const known = vms.find((vm) => vm.id === id);
  if (!known) return <span className="subtle">{name ?? 'a deleted VM'}</span>;
  return (
    <Link to={`/vms/${id}`} className="nowrap">
      {known.name}
    </Link>
  );
}
