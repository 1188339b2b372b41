using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Wᵀ + b. A frozen W saves nothing, and its gradient is never computed.</summary>
public static class LinearOp
{
    extension(Tensor x)
    {
        /// <summary>y = x·Wᵀ + b over the innermost axis.</summary>
        /// <param name="weight">(out, in), or (in, out) when <paramref name="transposed"/>; F32, BF16 or F16.</param>
        /// <param name="bias">(out), or null.</param>
        /// <param name="transposed">Whether the weight is stored (in, out), as GPT-2's Conv1D.</param>
        /// <returns>(…, out)</returns>
        /// <exception cref="ShapeException">x, weight and bias do not fit together.</exception>
        public Tensor Linear(Tensor weight, Tensor? bias = null, bool transposed = false)
        {
            int outputs = OutputsOf(x, weight, bias, transposed);
            var y = x.NewLike(x.Shape.WithColumns(outputs));
            x.Backend.Product(new GemmOperands(x, false, weight, !transposed), y, bias);
            Tape.Record(() => new Node(x, weight, transposed), [x, weight, bias], [y]);
            return y;
        }
    }

    internal static int OutputsOf(Tensor x, Tensor weight, Tensor? bias, bool transposed)
    {
        Check.Activation("linear", "x", x);
        ArgumentNullException.ThrowIfNull(weight);
        Check.OneDevice("linear", x, weight, bias);
        if (x.Shape.Rank == 0 || weight.Shape.Rank != 2 || (!weight.DType.IsFloat && !weight.IsQuantized)
            || (weight.IsQuantized && transposed))
        {
            throw new ShapeException("linear", $"needs x (…, in) and weight (out, in), got {x} and {weight}");
        }
        int inputs = transposed ? weight.Shape[0] : weight.Shape[1];
        int outputs = transposed ? weight.Shape[1] : weight.Shape[0];
        if (x.Shape.Columns != inputs)
        {
            throw new ShapeException("linear",
                $"x has {x.Shape.Columns} columns, the weight takes {inputs}: x {x.Shape}, weight {weight.Shape}");
        }
        Check.Weights("linear", "bias", bias, outputs);
        return outputs;
    }

    /// <summary>y = x·Wᵀ + b;  dx = dy·W, dW = dyᵀ·x, db = Σ dy over rows.</summary>
    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor? _weight;
        private readonly bool _transposed;

        public Node(Tensor x, Tensor weight, bool transposed) : base("linear")
        {
            _x = SaveIf(weight.RequiresGrad, "x", x, "dW = dyᵀ·x");
            _weight = x.RequiresGrad ? SaveWeight(weight) : null;
            _transposed = transposed;
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            if (context.GradInput(0, out bool accumulate) is { } dx)
            {
                dy.Backend.Product(new GemmOperands(dy, false, _weight!, _transposed), dx, accumulate: accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dw)
            {
                WeightGradient(dy, _x!, _transposed, dw, accumulate);
            }
            if (context.GradInput(2, out accumulate) is { } db)
            {
                dy.Backend.SumRows(dy, db, accumulate);
            }
        }
    }

    internal static void WeightGradient(Tensor dy, Tensor x, bool transposed, Tensor dw, bool accumulate)
    {
        if (transposed)
        {
            dy.Backend.MatMul(x, true, dy, false, dw, 1, accumulate);
        }
        else
        {
            dy.Backend.MatMul(dy, true, x, false, dw, 1, accumulate);
        }
    }
}
