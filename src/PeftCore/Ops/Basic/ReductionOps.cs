using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>Sums and means, of all elements or along one axis: y = Σ x, dx = dy for every element that was summed. Saves
/// nothing.</summary>
public static class ReductionOps
{
    extension(Tensor x)
    {
        /// <summary>y = Σ x over all elements, an F32 scalar (1);  dx = dy.</summary>
        public Tensor Sum()
        {
            Check.Activation("sum", "x", x);
            var y = x.NewLike([1], DType.F32);
            Check.CountsInInt("sum", x);
            x.Backend.SumRows(x.View([(int)x.Count, 1]), y, false);
            var shape = x.Shape;
            Tape.Record(() => new SumNode(shape), [x], [y]);
            return y;
        }

        /// <summary>y = Σᵢ x[…, i, …], without the axis;  dx[…, i, …] = dy.</summary>
        /// <param name="axis">The axis; <c>^1</c> is the innermost.</param>
        public Tensor Sum(Index axis)
        {
            Check.Activation("sum", "x", x);
            int at = AxisOf("sum", x.Shape, axis);
            using var scope = new TensorScope();
            if (x.DType != DType.F32)
            {
                return scope.Return(x.Cast(DType.F32).Sum(axis).Cast(x.DType));
            }
            var (shape, sum) = OverAxis(x.Shape, at);
            var y = scope.Return(x.NewLike(shape));
            if (x.Count == 0)
            {
                x.Backend.Zero(y);
            }
            else
            {
                x.Backend.MatMulBatched(sum, Ones(x.Backend, sum.K), x, y);
            }
            Tape.Record(() => new SumAxisNode(sum), [x], [y]);
            return y;
        }

        /// <summary>y = Σ x/n over all n elements, an F32 scalar (1);  dx = dy/n.</summary>
        public Tensor Mean()
        {
            using var scope = new TensorScope();
            return scope.Return(x.Sum() / x.Count);
        }

        /// <summary>y = Σᵢ x[…, i, …]/n, without the axis of extent n;  dx[…, i, …] = dy/n.</summary>
        /// <param name="axis">The axis; <c>^1</c> is the innermost.</param>
        public Tensor Mean(Index axis)
        {
            ArgumentNullException.ThrowIfNull(x);
            int extent = x.Shape[AxisOf("mean", x.Shape, axis)];
            using var scope = new TensorScope();
            return scope.Return(x.Sum(axis) / extent);
        }
    }

    private static int AxisOf(string op, Shape shape, Index axis)
    {
        int at = axis.GetOffset(shape.Rank);
        return at >= 0 && at < shape.Rank ? at : throw new ShapeException(op, $"there is no axis {axis} in {shape}");
    }

    /// <summary>The shape without an axis, and the sum along it as products: x read as (outer, n, inner), a row of n ones times each
    /// (n, inner).</summary>
    private static (Shape Shape, BatchedProduct Sum) OverAxis(Shape shape, int axis)
    {
        Span<int> extents = stackalloc int[shape.Rank];
        shape.CopyTo(extents);
        int n = extents[axis], inner = 1, outer = 1;
        for (int i = 0; i < extents.Length; i++)
        {
            (outer, inner) = (outer * (i < axis ? extents[i] : 1), inner * (i > axis ? extents[i] : 1));
        }
        extents[(axis + 1)..].CopyTo(extents[axis..]);
        return (Shape.Of(extents[..^1]),
            new BatchedProduct(outer, 1, n, inner, new(0, n, 1), new(n * inner, inner, 1), new(inner, inner, 1)));
    }

    private static Tensor Ones(Backend backend, int count)
    {
        var ones = backend.NewTensor([count], kind: MemoryKind.Workspace);
        backend.Fill(ones, 1);
        return ones;
    }

    /// <summary>y = Σ x;  dx = dy everywhere.</summary>
    private sealed class SumNode(Shape shape) : GradientNode("sum")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            if (!accumulate)
            {
                dx.Backend.Zero(dx);
            }
            dx.Backend.AddRow(dx.View([(int)shape.Count, 1]), context.GradOutput());
        }
    }

    /// <summary>y[…] = Σᵢ x[…, i, …];  dx[…, i, …] = dy[…].</summary>
    private sealed class SumAxisNode(BatchedProduct sum) : GradientNode("sum_axis")
    {
        protected internal override void Backward(BackwardContext context)
        {
            var dx = context.GradInput(0, out bool accumulate)!;
            if (dx.Count > 0)
            {
                dx.Backend.MatMulBatched(sum.GradientOfB(accumulate), Ones(dx.Backend, sum.K), context.GradOutput(), dx);
            }
        }
    }
}
