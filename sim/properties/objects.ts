/** What must hold of objects that are made and freed in a run, whatever they are. */
import { type Mortal, misuseText } from '../../actors/host/object-life.ts';
import { alwaysEach } from '../property.ts';
import { ANY_KIND } from '../view.ts';

/**
 * Whatever is used is there. What is used before it is made, made twice, or freed twice, is told as
 * well.
 */
export const useAfterFree = alwaysEach<Mortal>('object.use-after-free', {
  kind: ANY_KIND,
  source: 'kernel Documentation/dev-tools/kasan.rst: an access to memory that was freed',
  grade: 'read',
  each: ({ id, context }) => (context?.misused === undefined ? null : misuseText(id, context.misused)),
});
