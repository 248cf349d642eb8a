/** A dense table that sorts by its columns and says what to do when it is empty. */
import { Table, Tbody, Td, Th, Thead, Tr } from '@patternfly/react-table';
import { type ReactNode, useMemo, useState } from 'react';

export interface Column<T> {
  readonly title: string;
  readonly render: (row: T) => ReactNode;
  /** Makes the column sortable. */
  readonly sortBy?: (row: T) => string | number;
  /** `right`: figures. */
  readonly align?: 'right';
  /** Left out where there is little room: `medium` below 1100 px, `low` below 1300 px of content. */
  readonly priority?: 'medium' | 'low';
  /** The cell holds actions: no heading is shown, and the cell is narrow. */
  readonly isActions?: boolean;
}

interface DataTableProps<T> {
  readonly label: string;
  readonly rows: readonly T[];
  readonly columns: readonly Column<T>[];
  readonly rowKey: (row: T) => string | number;
  readonly empty: ReactNode;
  /** Index of the column to sort by at first; rows stay as they come without it. */
  readonly sortedBy?: number;
}

const collator = new Intl.Collator(undefined, { numeric: true });
const compare = (a: string | number, b: string | number) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));

export function DataTable<T>({ label, rows, columns, rowKey, empty, sortedBy }: DataTableProps<T>) {
  const [sort, setSort] = useState<{ index?: number; direction: 'asc' | 'desc' }>({
    index: sortedBy,
    direction: 'asc',
  });
  const sorted = useMemo(() => {
    const key = sort.index === undefined ? undefined : columns[sort.index]?.sortBy;
    if (!key) return rows;
    const sign = sort.direction === 'asc' ? 1 : -1;
    return rows.toSorted((a, b) => sign * compare(key(a), key(b)));
  }, [rows, columns, sort]);
  if (rows.length === 0) return <>{empty}</>;
  const classOf = ({ align, priority, isActions }: Column<T>) =>
    [align && 'figures', priority && `priority-${priority}`, isActions && 'actions-cell'].filter(Boolean).join(' ');
  return (
    <div className="table-scroll">
      <Table aria-label={label} variant="compact" gridBreakPoint="">
        <Thead>
          <Tr>
            {columns.map((column, index) => (
              <Th
                key={column.title}
                className={classOf(column)}
                modifier="nowrap"
                screenReaderText={column.isActions ? column.title : undefined}
                sort={
                  column.sortBy && {
                    columnIndex: index,
                    sortBy: { index: sort.index, direction: sort.direction, defaultDirection: 'asc' },
                    onSort: (_, chosen, direction) => setSort({ index: chosen, direction }),
                  }
                }
              >
                {column.isActions ? undefined : column.title}
              </Th>
            ))}
          </Tr>
        </Thead>
        <Tbody>
          {sorted.map((row) => (
            <Tr key={rowKey(row)}>
              {columns.map((column) => (
                <Td key={column.title} dataLabel={column.title} className={classOf(column)}>
                  {column.render(row)}
                </Td>
              ))}
            </Tr>
          ))}
        </Tbody>
      </Table>
    </div>
  );
}
