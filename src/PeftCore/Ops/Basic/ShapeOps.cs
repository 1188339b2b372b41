using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Reshape, slices and concatenation.</summary>
public static class ShapeOps
{
    extension(Tensor x)
    {
        /// <summary>A view of another shape with the same number of elements. Records nothing.</summary>
        public Tensor Reshape(Shape shape)
        {
            ArgumentNullException.ThrowIfNull(x);
            if (shape.Count != x.Count)
            {
                throw new ShapeException("reshape", $"{x.Shape} has {x.Count} elements, {shape} would have {shape.Count}");
            }
            var view = x.View(shape);
            view.GradFn = x.GradFn;
            return view;
        }

        /// <summary>Indices [start, start + count) of the outermost axis: a view.</summary>
        public Tensor Slice(int start, int count)
        {
            ArgumentNullException.ThrowIfNull(x);
            if (x.Shape.Rank == 0 || start < 0 || count < 0 || count > x.Shape[0] - start)
            {
                throw new ShapeException("slice", $"[{start}, {(long)start + count}) does not lie in the first axis of {x.Shape}");
            }
            long row = x.Shape[0] == 0 ? 0 : x.Count / x.Shape[0];
            var view = x.View(WithRows(x.Shape, count), start * row);
            Tape.Record(() => new SliceNode(start * row), [x], [view]);
            return view;
        }

        /// <summary>Columns [start, start + count) of the innermost axis: a copy.</summary>
        public Tensor Columns(int start, int count)
        {
            Check.Activation("columns", "x", x);
            if (x.Shape.Rank == 0 || start < 0 || count < 0 || count > x.Shape.Columns - start)
            {
                throw new ShapeException("columns", $"[{start}, {(long)start + count}) does not lie in the last axis of {x.Shape}");
            }
            var y = x.NewLike(x.Shape.WithColumns(count));
            x.Backend.CopyColumns(x, start, y, 0, count, false);
            Tape.Record(() => new ColumnsNode(start, count), [x], [y]);
            return y;
        }

        /// <summary>Concatenates two tensors along the innermost axis.</summary>
        /// <param name="right">As many rows, any number of columns.</param>
        /// <returns>(…, columns of both)</returns>
        internal Tensor ConcatColumns(Tensor right)
        {
            Check.Activation("concat columns", "the left part", x);
            ArgumentNullException.ThrowIfNull(right);
            Check.OneDevice("concat columns", x, right);
            bool fits = x.DType == right.DType && x.Shape.Rank > 0 && x.Shape.Rank == right.Shape.Rank;
            int left = fits ? x.Shape.Columns : 0, columns = fits ? checked(left + right.Shape.Columns) : 0;
            if (!fits || x.Shape.WithColumns(columns) != right.Shape.WithColumns(columns))
            {
                throw new ShapeException("concat columns", $"needs tensors that differ in their last axis only, got {x} and {right}");
            }
            var y = x.NewLike(x.Shape.WithColumns(columns));
            x.Backend.CopyColumns(x, 0, y, 0, left, false);
            x.Backend.CopyColumns(right, 0, y, left, columns - left, false);
            Tape.Record(() => new ConcatColumnsNode(left, columns), [x, right], [y]);
            return y;
        }
    }

    extension(Tensor)
    {
        /// <summary>Concatenates tensors along the outermost axis.</summary>
        public static Tensor Concat(params ReadOnlySpan<Tensor> parts)
        {
            Given.NotNull(parts);
            if (parts.IsEmpty || parts[0].Shape.Rank == 0)
            {
                throw new ShapeException("concat", "needs at least one tensor, each with at least one axis");
            }
            var first = parts[0];
            int rows = 0;
            foreach (var part in parts)
            {
                Check.OneDevice("concat", first, part);
                rows = checked(rows + (part.Shape.Rank == 0 ? 0 : part.Shape[0]));
                if (part.DType != first.DType || part.Shape.Rank != first.Shape.Rank || part.Shape != WithRows(first.Shape, part.Shape[0]))
                {
                    throw new ShapeException("concat", $"needs tensors that differ in their first axis only, got {first} and {part}");
                }
            }
            var y = first.NewLike(WithRows(first.Shape, rows), first.DType);
            long at = 0;
            foreach (var part in parts)
            {
                part.Backend.Copy(part, y.View(part.Shape, at));
                at += part.Count;
            }
            Tape.Record(() => new ConcatNode(), parts, [y]);
            return y;
        }
    }

    private static Shape WithRows(Shape shape, int rows)
    {
        Span<int> extents = stackalloc int[shape.Rank];
        shape.CopyTo(extents);
        extents[0] = rows;
        return Shape.Of(extents);
    }

    /// <summary>y = rows [start, start + count) of x;  dx = dy in these rows, 0 elsewhere.</summary>
    private sealed class SliceNode(long firstElement) : GradientNode("slice")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var dx = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dx.Backend.Zero(dx);
            }
            var part = dx.View(dy.Shape, firstElement);
            part.Backend.Add(part, dy, part);
        }
    }

    /// <summary>y = columns [start, start + count) of x;  dx = dy in these columns, 0 elsewhere.</summary>
    private sealed class ColumnsNode(int start, int count) : GradientNode("columns")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dx.Backend.Zero(dx);
            }
            dx.Backend.CopyColumns(context.GradOutput(), 0, dx, start, count, accumulate: true);
        }
    }

    /// <summary>y[r] = (left[r], right[r]);  dleft = the first columns of dy, dright = the others.</summary>
    private sealed class ConcatColumnsNode(int left, int columns) : GradientNode("concat_columns")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dLeft)
            {
                dy.Backend.CopyColumns(dy, 0, dLeft, 0, left, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dRight)
            {
                dy.Backend.CopyColumns(dy, left, dRight, 0, columns - left, accumulate);
            }
        }
    }

    /// <summary>y = all parts along the first axis;  the gradient of each part is its rows of dy.</summary>
    private sealed class ConcatNode() : GradientNode("concat")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            long at = 0;
            for (int i = 0; i < context.InputCount; i++)
            {
                var shape = context.ShapeOf(i);
                if (context.GradInput(i, out bool accumulate) is { } dx)
                {
                    var part = dy.View(shape, at);
                    if (accumulate)
                    {
                        dx.Backend.Add(dx, part, dx);
                    }
                    else
                    {
                        dx.Backend.Copy(part, dx);
                    }
                }
                at += shape.Count;
            }
        }
    }
}
