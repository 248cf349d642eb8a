import { DefaultNamingStrategy, type Table } from 'typeorm';

const snake = (name: string) =>
  name.replaceAll('MiB', 'Mib').replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);

/** PostgreSQL's own names for columns and constraints, so that migrations are plain SQL without a name each. */
export class PostgresNaming extends DefaultNamingStrategy {
  override columnName(property: string, customName: string): string {
    return customName || snake(property);
  }

  override primaryKeyName(table: Table | string): string {
    return `${this.nameOf(table)}_pkey`;
  }

  override uniqueConstraintName(table: Table | string, columns: string[]): string {
    return [this.nameOf(table), ...columns, 'key'].join('_');
  }

  override foreignKeyName(table: Table | string, columns: string[]): string {
    return [this.nameOf(table), ...columns, 'fkey'].join('_');
  }

  override indexName(table: Table | string, columns: string[]): string {
    return [this.nameOf(table), ...columns, 'idx'].join('_');
  }

  private nameOf(table: Table | string): string {
    return this.getTableName(table).split('.').at(-1)!;
  }
}
