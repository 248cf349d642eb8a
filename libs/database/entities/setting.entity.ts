import { Column, Entity, PrimaryColumn } from 'typeorm';
import { JSON_VALUE, TEXT } from './columns.js';

/** A value that holds for the whole installation. */
@Entity('setting')
export class Setting {
  @PrimaryColumn(TEXT)
  name!: string;

  @Column(JSON_VALUE)
  value!: unknown;
}
