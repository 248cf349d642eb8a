import { Column, Generated, Index, PrimaryGeneratedColumn } from 'typeorm';

/** Rows that lists show in the order in which they were made. */
export abstract class Sequential {
  @PrimaryGeneratedColumn('uuid')
  id!: string;

  /** Order of creation; what lists are paged by. */
  @Index({ unique: true })
  @Generated('increment')
  @Column({ type: 'bigint' })
  seq!: string;
}
