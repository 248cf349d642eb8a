/** A dense table that sorts by its columns, shows long lists by page, and says what to do when it is empty. */
import { Pagination } from '@patternfly/react-core';
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

/** Rows of a page at first; a table that has no more of them has no pages. */
const PAGE_ROWS = 50;
const PAGE_SIZES = [20, 50, 100, 500].map((value) => ({ title: String(value), value }));

const collator = new Intl.Collator(undefined, { numeric: true });
const compare = (a: string | number, b: string | number) =>
  typeof a === 'number' && typeof b === 'number' ? a - b : collator.compare(String(a), String(b));

export function DataTable<T>({ label, rows, columns, rowKey, empty, sortedBy }: DataTableProps<T>) {
  const [sort, setSort] = useState<{ index?: number; direction: 'asc' | 'desc' }>({
    index: sortedBy,
    direction: 'asc',
  });
  const [page, setPage] = useState(1);
  const [perPage, setPerPage] = useState(PAGE_ROWS);
  const sorted = useMemo(() => {
    const key = sort.index === undefined ? undefined : columns[sort.index]?.sortBy;
    if (!key) return rows;
    const sign = sort.direction === 'asc' ? 1 : -1;
    return rows.toSorted((a, b) => sign * compare(key(a), key(b)));
  }, [rows, columns, sort]);
  if (rows.length === 0) return <>{empty}</>;
  // Fewer rows than before, by a filter or because some are gone, may end before the page that was shown.
  const shownPage = Math.min(page, Math.ceil(rows.length / perPage));
  const shown = sorted.slice((shownPage - 1) * perPage, shownPage * perPage);
  const classOf = ({ align, priority, isActions }: Column<T>) =>
    [align && 'figures', priority && `priority-${priority}`, isActions && 'actions-cell'].filter(Boolean).join(' ');
  return (
    <>
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
                      onSort: (_, chosen, direction) => {
                        setSort({ index: chosen, direction });
                        setPage(1);
                      },
                    }
                  }
                >
                  {column.isActions ? undefined : column.title}
                </Th>
              ))}
            </Tr>
          </Thead>
          <Tbody>
            {shown.map((row) => (
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
      {rows.length > PAGE_ROWS && (
        <Pagination
          isCompact
          className="table-pages"
          titles={{ paginationAriaLabel: `Pages of ${label}` }}
          itemCount={rows.length}
          page={shownPage}
          perPage={perPage}
          perPageOptions={PAGE_SIZES}
          onSetPage={(_, next) => setPage(next)}
          onPerPageSelect={(_, next, at) => {
            setPerPage(next);
            setPage(at);
          }}
        />
      )}
    </>
  );
}
