/** The three-dot menu of a row or page. */
import { Dropdown, DropdownItem, DropdownList, MenuToggle } from '@patternfly/react-core';
import { useRef, useState } from 'react';
import { MoreIcon } from './icons.js';

export interface MenuAction {
  readonly title: string;
  readonly onClick: () => void;
  readonly isDanger?: boolean;
  readonly isDisabled?: boolean;
  /** Why it is disabled, where the row does not show it. */
  readonly why?: string;
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
        {actions.map(({ title, onClick, isDanger, isDisabled, why }) => (
          <DropdownItem
            key={title}
            onClick={onClick}
            isDanger={isDanger && !isDisabled}
            isAriaDisabled={isDisabled}
            description={why}
          >
            {title}
          </DropdownItem>
        ))}
      </DropdownList>
    </Dropdown>
  );
}
