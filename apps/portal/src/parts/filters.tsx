/** Filters of a list, kept in the address, so that a filtered list can be bookmarked. */
import { Button, FormSelect, FormSelectOption, Toolbar, ToolbarContent, ToolbarItem } from '@patternfly/react-core';
import type { ReactNode } from 'react';
import { useSearchParams } from 'react-router';

export interface Filters {
  readonly get: (name: string) => string | undefined;
  readonly set: (name: string, value: string) => void;
  readonly clear: () => void;
  readonly isAnySet: boolean;
}

export function useFilters(): Filters {
  const [query, setQuery] = useSearchParams();
  const set = (name: string, value: string) =>
    setQuery(
      (before) => {
        if (value === '') before.delete(name);
        else before.set(name, value);
        return before;
      },
      { replace: true },
    );
  return {
    get: (name) => query.get(name) ?? undefined,
    set,
    clear: () => setQuery({}, { replace: true }),
    isAnySet: query.size > 0,
  };
}

interface Choice {
  readonly name: string;
  /** The choice of no filter, such as "Any host"; also names the field. */
  readonly any: string;
  readonly options: readonly { readonly value: string; readonly label: string }[];
}

interface FilterBarProps {
  readonly filters: Filters;
  readonly choices: readonly Choice[];
  /** Further fields, before the choices. */
  readonly children?: ReactNode;
  /** After all fields, such as how many there are. */
  readonly aside?: ReactNode;
}

export function FilterBar({ filters, choices, children, aside }: FilterBarProps) {
  return (
    <Toolbar>
      <ToolbarContent>
        {children && <ToolbarItem>{children}</ToolbarItem>}
        {choices.map(({ name, any, options }) => (
          <ToolbarItem key={name}>
            <FormSelect
              aria-label={any}
              value={filters.get(name) ?? ''}
              onChange={(_, value) => filters.set(name, value)}
            >
              <FormSelectOption value="" label={any} />
              {options.map((option) => (
                <FormSelectOption key={option.value} {...option} />
              ))}
            </FormSelect>
          </ToolbarItem>
        ))}
        {filters.isAnySet && (
          <ToolbarItem>
            <Button variant="link" onClick={filters.clear}>
              Clear filters
            </Button>
          </ToolbarItem>
        )}
        {aside && <ToolbarItem className="toolbar-count subtle">{aside}</ToolbarItem>}
      </ToolbarContent>
    </Toolbar>
  );
}

/** Things with a name, as options. */
export const optionsOf = (items: readonly { id: string; name: string }[]) =>
  items.map(({ id, name }) => ({ value: id, label: name }));
