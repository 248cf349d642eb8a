/** The three-dot menu of a row or page. */
import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core';
import { useRef, useState } from 'react';
import { MoreIcon } from './icons.js';

export interface MenuAction {
  readonly title: string;
  readonly onClick: () => void;
  readonly isDanger?: boolean;
  /** Why the action cannot be taken now; shown with the disabled item. */
  readonly refusal?: string;
}

export function ActionMenu({ label, actions }: { label: string; actions: readonly MenuAction[] }) {
  const [isOpen, setOpen] = useState(false);
  const toggleRef = useRef<HTMLButtonElement>(null);
  return (
    <Dropdown
      isOpen={isOpen}
      onOpenChange={setOpen}
      onSelect={() => setOpen(false)}
      popperProps={{ position: 'right' }}
      toggle={{
        toggleRef,
        toggleNode: (
          <MenuToggle
            ref={toggleRef}
            variant="plain"
            size="sm"
            aria-label={label}
            isExpanded={isOpen}
            onClick={() => setOpen(!isOpen)}
            icon={<MoreIcon />}
          />
        ),
      }}
    >
      <DropdownList>
        {actions.map(({ title, onClick, isDanger, refusal }) => (
          <DropdownItem
            key={title}
            onClick={onClick}
            isDanger={isDanger && refusal === undefined}
            isAriaDisabled={refusal !== undefined}
            description={refusal}
          >
            {title}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
