using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>A linear layer with one matrix an expert over rows sorted by expert, plus low-rank updates (Hu et al. 2021), of which ΔW is
/// never formed. A frozen matrix saves nothing, and its gradient is never computed.</summary>
internal static class RaggedLinearOp
{
    extension(Tensor x)
    {
        /// <summary>y[p, :] = x[p, :]·Wₑᵀ + bₑ + Σ s·(x[p, :]·Aₑᵀ)·Bₑᵀ for the rows p of each expert e.</summary>
        /// <param name="weight">(experts, out, in), or (experts, in, out) when <paramref name="transposed"/>.</param>
        /// <param name="bias">(experts, out), or null.</param>
        /// <param name="transposed">Whether the weight is stored (experts, in, out).</param>
        /// <param name="routing">The rows of each expert.</param>
        /// <param name="updates">Low-rank updates.</param>
        /// <returns>(pairs, out)</returns>
        public Tensor RaggedLinear(Tensor weight, Tensor? bias, bool transposed, ExpertRouting routing,
            params ReadOnlySpan<RaggedUpdate> updates)
        {
            int outputs = OutputsOf(x, weight, bias, transposed, routing);
            var y = x.NewLike([routing.Pairs, outputs]);
            if (bias is not null)
            {
                x.Backend.Gather(routing.Experts, bias, y);
            }
            x.Backend.RaggedMatMul(x, weight, !transposed, routing.Offsets, y, 1, bias is not null);
            var inputs = new List<Tensor?> { x, weight, bias };
            var low = new Tensor[updates.Length];
            for (int i = 0; i < updates.Length; i++)
            {
                var (a, b, scale) = updates[i];
                CheckUpdate(a, b, routing.Count, x.Shape.Columns, outputs);
                low[i] = x.NewLike([routing.Pairs, a.Shape[1]]);
                x.Backend.RaggedMatMul(x, a, true, routing.Offsets, low[i]);
                x.Backend.RaggedMatMul(low[i], b, true, routing.Offsets, y, scale, true);
                inputs.AddRange([a, b]);
            }
            var all = updates.ToArray();
            Tape.Record(() => new Node(x, weight, bias, transposed, routing, all, low), [.. inputs], [y]);
            return y;
        }
    }

    private static int OutputsOf(Tensor x, Tensor weight, Tensor? bias, bool transposed, ExpertRouting routing)
    {
        Check.Activation("ragged linear", "x", x);
        Check.OneDevice("ragged linear", x, weight, bias, routing.Offsets);
        if (weight.Shape.Rank != 3 || weight.Shape[0] != routing.Count || x.Shape.Rows != routing.Pairs || !weight.DType.IsFloat
            || x.Shape.Columns != weight.Shape[transposed ? 1 : 2])
        {
            throw new ShapeException("ragged linear", $"x {x.Shape} does not fit {routing.Count} experts with matrices {weight.Shape}");
        }
        int outputs = weight.Shape[transposed ? 2 : 1];
        if (bias is not null && (bias.Shape.Rank != 2 || bias.Shape[0] != routing.Count || bias.Shape[1] != outputs))
        {
            throw new ShapeException("ragged linear", $"the bias must have shape ({routing.Count}, {outputs}), got {bias}");
        }
        return outputs;
    }

    private static void CheckUpdate(Tensor a, Tensor b, int experts, int inputs, int outputs)
    {
        bool fits = a.Shape.Rank == 3 && b.Shape.Rank == 3 && a.Shape[0] == experts && b.Shape[0] == experts && a.Shape[2] == inputs
            && b.Shape[1] == outputs && a.Shape[1] == b.Shape[2];
        if (!fits)
        {
            throw new ShapeException("ragged linear",
                $"A {a.Shape} and B {b.Shape} are no update of {experts} matrices of ({outputs}, {inputs})");
        }
    }

    /// <summary>y[p] = x[p]·Wₑᵀ + bₑ + Σ s·(x[p]·Aₑᵀ)·Bₑᵀ;  dx[p] = dy[p]·Wₑ + Σ s·(dy[p]·Bₑ)·Aₑ, dWₑ = dyₑᵀ·xₑ, dbₑ = Σ dy[p],
    /// dAₑ = s·(dyₑ·Bₑ)ᵀ·xₑ, dBₑ = s·dyₑᵀ·(xₑ·Aₑᵀ).</summary>
    private sealed class Node : GradientNode
    {
        private const int FirstUpdate = 3; // x, weight and bias come before

        private const string Dx = "dx[p] = dy[p]·Wₑ + Σ s·(dy[p]·Bₑ)·Aₑ", Dw = "dWₑ = dyₑᵀ·xₑ", Da = "dAₑ = s·(dyₑ·Bₑ)ᵀ·xₑ",
            Db = "dBₑ = s·dyₑᵀ·(xₑ·Aₑᵀ)";

        private readonly Tensor? _x;
        private readonly Tensor? _weight;
        private readonly Tensor? _experts;
        private readonly Tensor _offsets;
        private readonly bool _transposed;
        private readonly RaggedUpdate[] _updates;
        private readonly Tensor?[] _low;

        public Node(Tensor x, Tensor weight, Tensor? bias, bool transposed, ExpertRouting routing, RaggedUpdate[] updates, Tensor[] low)
            : base("ragged_linear")
        {
            bool trainsA = updates.Any(u => u.A.RequiresGrad), trainsB = updates.Any(u => u.B.RequiresGrad);
            _x = SaveIf(weight.RequiresGrad || trainsA, "x", x, Uses((weight.RequiresGrad, Dw), (trainsA, Da)));
            _weight = x.RequiresGrad ? SaveWeight(weight) : null;
            _experts = bias is { RequiresGrad: true } ? Save("experts", routing.Experts, "dbₑ = Σ dy[p]") : null;
            _offsets = Save("offsets", routing.Offsets,
                Uses((x.RequiresGrad, Dx), (weight.RequiresGrad, Dw), (trainsA, Da), (trainsB, Db),
                    (bias is { RequiresGrad: true }, "dbₑ = Σ dy[p]")));
            _transposed = transposed;
            _updates = Array.ConvertAll(updates, u => u with { A = SaveWeight(u.A), B = SaveWeight(u.B) });
            _low = [.. updates.Select((u, i) => SaveIf(u.B.RequiresGrad, "xA", low[i], Db))];
        }

        protected internal override void Backward(BackwardContext context)
        {
            var dy = context.GradOutput();
            var dx = context.GradInput(0, out bool accumulate);
            if (dx is not null)
            {
                dy.Backend.RaggedMatMul(dy, _weight!, _transposed, _offsets, dx, 1, accumulate);
            }
            if (context.GradInput(1, out accumulate) is { } dWeight)
            {
                var (left, right) = _transposed ? (_x!, dy) : (dy, _x!);
                dy.Backend.RaggedMatMulGradient(left, right, _offsets, dWeight, 1, accumulate);
            }
            if (context.GradInput(2, out accumulate) is { } dBias)
            {
                if (!accumulate)
                {
                    dy.Backend.Zero(dBias);
                }
                dy.Backend.ScatterAdd(_experts!, dy, dBias);
            }
            for (int i = 0; i < _updates.Length; i++)
            {
                Update(context, i, dy, dx);
            }
        }

        private void Update(BackwardContext context, int index, Tensor dy, Tensor? dx)
        {
            using var scope = new TensorScope();
            var (a, b, scale) = _updates[index];
            int input = FirstUpdate + 2 * index;
            if (context.GradInput(input + 1, out bool accumulate) is { } db)
            {
                dy.Backend.RaggedMatMulGradient(dy, _low[index]!, _offsets, db, scale, accumulate);
            }
            if (dx is null && !context.NeedsInputGrad(input))
            {
                return;
            }
            var dLow = dy.NewLike([dy.Shape.Rows, a.Shape[1]]);
            dy.Backend.RaggedMatMul(dy, b, false, _offsets, dLow, scale);
            if (context.GradInput(input, out accumulate) is { } da)
            {
                dy.Backend.RaggedMatMulGradient(dLow, _x!, _offsets, da, 1, accumulate);
            }
            if (dx is not null)
            {
                dy.Backend.RaggedMatMul(dLow, a, false, _offsets, dx, 1, true);
            }
        }
    }
}

/// <summary>A low-rank update of each expert's matrix: ΔWₑ = s·Bₑ·Aₑ.</summary>
/// <param name="A">(experts, r, in)</param>
/// <param name="B">(experts, out, r)</param>
/// <param name="Scale">s</param>
internal readonly record struct RaggedUpdate(Tensor A, Tensor B, float Scale);
