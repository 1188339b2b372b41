using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>One low-rank update of a linear map: s·(dropout(x)·Aᵀ)·Bᵀ (Hu et al. 2021, "LoRA", equation 3).</summary>
/// <param name="A">(r, in)</param>
/// <param name="B">(out, r)</param>
/// <param name="Scale">s = α/r, or α/√r.</param>
/// <param name="Bias">(out) added after B and scaled with it, or null.</param>
/// <param name="Drop">Dropout on this branch's x.</param>
/// <param name="Middle">(r) that multiplies x·Aᵀ before B, or null.</param>
public readonly record struct LoraBranch(Tensor A, Tensor B, float Scale, Tensor? Bias = null, DropoutKey Drop = default, Tensor? Middle = null);

/// <summary>y = x·Wᵀ + b + Σ s·((x·Aᵀ)∘m)·Bᵀ, the base product and the rank-r products in one output. Saves x only for A, S = x·Aᵀ only for B and m,
/// and never forms ΔW = B·diag(m)·A.</summary>
public static class LoraLinearOp
{
    private const int FirstBranch = 3;
    private const int InputsPerBranch = 4;

    extension(Tensor x)
    {
        /// <summary>Applies a linear map and its low-rank updates to the innermost axis.</summary>
        /// <param name="weight">(out, in), or (in, out) when <paramref name="transposed"/>; F32, BF16 or F16.</param>
        /// <param name="bias">(out), or null.</param>
        /// <param name="transposed">The weight is stored as GPT-2's Conv1D stores it.</param>
        /// <param name="branches">The low-rank updates that are active.</param>
        /// <returns>(…, out)</returns>
        /// <exception cref="ShapeException">Shapes do not fit together.</exception>
        public Tensor LoraLinear(Tensor weight, Tensor? bias, bool transposed, params ReadOnlySpan<LoraBranch> branches)
        {
            int outputs = LinearOp.OutputsOf(x, weight, bias, transposed);
            var backend = x.Backend;
            var y = x.NewLike(x.Shape.WithColumns(outputs));
            backend.MatMul(x, false, weight, !transposed, y);
            if (bias is not null)
            {
                backend.AddRow(y, bias);
            }
            var low = new Tensor[branches.Length];
            var inputs = new Tensor?[FirstBranch + InputsPerBranch * branches.Length];
            (inputs[0], inputs[1], inputs[2]) = (x, weight, bias);
            for (int i = 0; i < branches.Length; i++)
            {
                var branch = branches[i];
                Check.OneDevice("lora linear", x, branch.A, branch.B, branch.Bias, branch.Middle);
                Check.Matrix("lora linear", "A", branch.A, branch.A.Shape.Rows, x.Shape.Columns);
                Check.Matrix("lora linear", "B", branch.B, outputs, branch.A.Shape[0]);
                Check.Weights("lora linear", "the bias of B", branch.Bias, outputs);
                Check.Weights("lora linear", "the middle", branch.Middle, branch.A.Shape[0]);
                low[i] = AddBranch(x, branch, y);
                int first = FirstBranch + InputsPerBranch * i;
                (inputs[first], inputs[first + 1], inputs[first + 2], inputs[first + 3]) = (branch.A, branch.B, branch.Bias, branch.Middle);
            }
            var kept = branches.ToArray();
            Tape.Record(() => new Node(x, weight, transposed, kept, low), inputs, [y]);
            return y;
        }
    }

    private static Tensor AddBranch(Tensor x, in LoraBranch branch, Tensor y)
    {
        var backend = x.Backend;
        var s = x.NewLike(x.Shape.WithColumns(branch.A.Shape[0])); // (…, r)
        if (branch.Drop.Active)
        {
            using var scope = new TensorScope();
            backend.MatMul(branch.Drop.Apply(x), false, branch.A, true, s);
        }
        else
        {
            backend.MatMul(x, false, branch.A, true, s);
        }
        var (b, scale) = (branch.B, branch.Scale);
        Scaled(s, branch.Middle, low => backend.MatMul(low, false, b, true, y, scale, accumulate: true));
        if (branch.Bias is { } bias)
        {
            using var scope = new TensorScope();
            var scaled = bias.NewLike(bias.Shape, DType.F32);
            backend.Scale(bias, branch.Scale, scaled, false);
            backend.AddRow(y, scaled);
        }
        return s;
    }

    /// <summary>Uses S∘m, in memory that lives no longer.</summary>
    private static void Scaled(Tensor s, Tensor? middle, Action<Tensor> use)
    {
        if (middle is null)
        {
            use(s);
            return;
        }
        using var scope = new TensorScope();
        var scaled = s.NewLike(s.Shape);
        s.Backend.MultiplyRow(s, middle, scaled, false);
        use(scaled);
    }

    private sealed class Node : GradientNode
    {
        private readonly Tensor? _x;
        private readonly Tensor? _weight;
        private readonly bool _transposed;
        private readonly Kept[] _branches;

        public Node(Tensor x, Tensor weight, bool transposed, LoraBranch[] branches, Tensor[] low) : base("lora_linear")
        {
            bool needsX = weight.RequiresGrad;
            _branches = new Kept[branches.Length];
            for (int i = 0; i < branches.Length; i++)
            {
                var b = branches[i];
                needsX |= b.A.RequiresGrad;
                string suffix = branches.Length == 1 ? "" : $"{i}";
                bool trainsMiddle = b.Middle is { RequiresGrad: true };
                bool needsLow = x.RequiresGrad || b.A.RequiresGrad || trainsMiddle;
                _branches[i] = new Kept(SaveWeight(b.A), needsLow ? SaveWeight(b.B) : null, b.Scale, b.Drop,
                    SaveIf(b.B.RequiresGrad || trainsMiddle, "s" + suffix, low[i]), b.Middle is { } middle ? SaveWeight(middle) : null);
            }
            _x = SaveIf(needsX, "x", x);
            _weight = x.RequiresGrad ? SaveWeight(weight) : null;
            _transposed = transposed;
        }

        protected internal override void Backward(GradientFlow flow)
        {
            var dy = flow.Output();
            var backend = dy.Backend;
            if (flow.Target(0, out bool accumulate) is { } dx)
            {
                backend.MatMul(dy, false, _weight!, _transposed, dx, 1, accumulate);
            }
            if (flow.Target(1, out accumulate) is { } dw)
            {
                LinearOp.WeightGradient(dy, _x!, _transposed, dw, accumulate);
            }
            if (flow.Target(2, out accumulate) is { } db)
            {
                backend.SumRows(dy, db, accumulate);
            }
            for (int i = 0; i < _branches.Length; i++)
            {
                using var scope = new TensorScope();
                Branch(flow, dy, _branches[i], FirstBranch + InputsPerBranch * i);
            }
        }

        private void Branch(GradientFlow flow, Tensor dy, in Kept branch, int first)
        {
            var backend = dy.Backend;
            if (flow.Target(first + 1, out bool accumulate) is { } dB)
            {
                float scale = branch.Scale;
                bool add = accumulate;
                Scaled(branch.Low!, branch.Middle, low => backend.MatMul(dy, true, low, false, dB, scale, add));
            }
            if (flow.Wants(first + 2))
            {
                BiasGradient(flow, dy, branch.Scale, first + 2);
            }
            if (branch.B is null)
            {
                return;
            }
            var ds = dy.NewLike(dy.Shape.WithColumns(branch.A.Shape[0])); // (…, r)
            backend.MatMul(dy, false, branch.B, false, ds, branch.Scale);
            if (branch.Middle is { } middle)
            {
                if (flow.Target(first + 3, out accumulate) is { } dm)
                {
                    backend.MultiplySumRows(ds, branch.Low!, dm, accumulate);
                }
                if (flow.Wants(first) || flow.Wants(0))
                {
                    backend.MultiplyRow(ds, middle, ds, false);
                }
            }
            if (flow.Target(first, out accumulate) is { } dA)
            {
                var x = branch.Drop.Active ? branch.Drop.Apply(_x!) : _x!;
                backend.MatMul(ds, true, x, false, dA, 1, accumulate);
            }
            if (flow.Target(0, out _) is { } dx)
            {
                if (branch.Drop.Active)
                {
                    var dropped = dx.NewLike(dx.Shape);
                    backend.MatMul(ds, false, branch.A, false, dropped);
                    branch.Drop.Apply(dropped, dx, accumulate: true);
                }
                else
                {
                    backend.MatMul(ds, false, branch.A, false, dx, 1, accumulate: true);
                }
            }
        }

        private static void BiasGradient(GradientFlow flow, Tensor dy, float scale, int input)
        {
            var sum = dy.NewLike([dy.Shape.Columns], DType.F32);
            dy.Backend.SumRows(dy, sum, false);
            var db = flow.Target(input, out bool accumulate)!;
            dy.Backend.Scale(sum, scale, db, accumulate);
        }

        private readonly record struct Kept(Tensor A, Tensor? B, float Scale, DropoutKey Drop, Tensor? Low, Tensor? Middle);
    }
}
