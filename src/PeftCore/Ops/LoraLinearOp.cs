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
            var y = x.NewLike(x.Shape.WithColumns(outputs));
            var low = new Tensor[branches.Length];
            var inputs = new Tensor?[FirstBranch + InputsPerBranch * branches.Length];
            (inputs[0], inputs[1], inputs[2]) = (x, weight, bias);
            var terms = new MatMulTerm[1 + branches.Length];
            terms[0] = new MatMulTerm(x, false, weight, !transposed);
            for (int i = 0; i < branches.Length; i++)
            {
                var branch = branches[i];
                Check.OneDevice("lora linear", x, branch.A, branch.B, branch.Bias, branch.Middle);
                Check.Matrix("lora linear", "A", branch.A, branch.A.Shape.Rows, x.Shape.Columns);
                Check.Matrix("lora linear", "B", branch.B, outputs, branch.A.Shape[0]);
                Check.Weights("lora linear", "the bias of B", branch.Bias, outputs);
                Check.Weights("lora linear", "the middle", branch.Middle, branch.A.Shape[0]);
                low[i] = Low(x, branch);
                terms[1 + i] = new MatMulTerm(Scaled(low[i], branch.Middle), false, branch.B, true);
                int first = FirstBranch + InputsPerBranch * i;
                (inputs[first], inputs[first + 1], inputs[first + 2], inputs[first + 3]) = (branch.A, branch.B, branch.Bias, branch.Middle);
            }
            x.Backend.MatMulSum(terms, y, bias);
            for (int i = 0; i < branches.Length; i++)
            {
                if (branches[i].Middle is not null)
                {
                    terms[1 + i].A.Dispose();
                }
            }
            AddBiases(y, branches);
            var kept = branches.ToArray();
            Tape.Record(() => new Node(x, weight, transposed, kept, low), inputs, [y]);
            return y;
        }
    }

    /// <summary>S = s·x·Aᵀ (…, r): with the scale in it the rank-r product joins the base product, and no gradient needs it again.</summary>
    private static Tensor Low(Tensor x, in LoraBranch branch)
    {
        var s = x.NewLike(x.Shape.WithColumns(branch.A.Shape[0]));
        using var scope = new TensorScope();
        x.Backend.MatMul(branch.Drop.Active ? branch.Drop.Apply(x) : x, false, branch.A, true, s, branch.Scale);
        return s;
    }

    /// <summary>S∘m; S itself without m.</summary>
    private static Tensor Scaled(Tensor s, Tensor? middle)
    {
        if (middle is null)
        {
            return s;
        }
        var scaled = s.NewLike(s.Shape);
        s.Backend.MultiplyRow(s, middle, scaled, false);
        return scaled;
    }

    private static void AddBiases(Tensor y, ReadOnlySpan<LoraBranch> branches)
    {
        foreach (var branch in branches)
        {
            if (branch.Bias is { } bias)
            {
                using var scope = new TensorScope();
                var scaled = bias.NewLike(bias.Shape, DType.F32);
                y.Backend.Scale(bias, branch.Scale, scaled, false);
                y.Backend.AddRow(y, scaled);
            }
        }
    }

    private sealed class Node : GradientNode
    {
        private readonly Kept? _x;
        private readonly Tensor? _weight;
        private readonly bool _transposed;
        private readonly Branch[] _branches;

        public Node(Tensor x, Tensor weight, bool transposed, LoraBranch[] branches, Tensor[] low) : base("lora_linear")
        {
            bool needsX = weight.RequiresGrad;
            _branches = new Branch[branches.Length];
            for (int i = 0; i < branches.Length; i++)
            {
                var b = branches[i];
                needsX |= b.A.RequiresGrad;
                string suffix = branches.Length == 1 ? "" : $"{i}";
                bool trainsMiddle = b.Middle is { RequiresGrad: true };
                bool needsLow = x.RequiresGrad || b.A.RequiresGrad || trainsMiddle;
                _branches[i] = new Branch(SaveWeight(b.A), needsLow ? SaveWeight(b.B) : null, b.Scale, b.Drop,
                    SaveIf(b.B.RequiresGrad || trainsMiddle, "s" + suffix, low[i]), b.Middle is { } middle ? SaveWeight(middle) : null);
            }
            _x = needsX ? Keep("x", x) : null;
            _weight = x.RequiresGrad ? SaveWeight(weight) : null;
            _transposed = transposed;
        }

        protected internal override void Backward(GradientFlow flow)
        {
            var dy = flow.Output();
            if (flow.Target(1, out bool accumulate) is { } dw)
            {
                LinearOp.WeightGradient(dy, _x!.Value, _transposed, dw, accumulate);
            }
            if (flow.Target(2, out accumulate) is { } db)
            {
                dy.Backend.SumRows(dy, db, accumulate);
            }
            var terms = new List<MatMulTerm>();
            var dropped = new List<(Branch Branch, Tensor Low)>();
            if (_weight is not null)
            {
                terms.Add(new MatMulTerm(dy, false, _weight, _transposed));
            }
            for (int i = 0; i < _branches.Length; i++)
            {
                var branch = _branches[i];
                if (Factors(flow, dy, branch, FirstBranch + InputsPerBranch * i) is { } ds)
                {
                    if (branch.Drop.Active)
                    {
                        dropped.Add((branch, ds));
                    }
                    else
                    {
                        terms.Add(new MatMulTerm(ds, false, branch.A, false));
                    }
                }
            }
            if (flow.Target(0, out accumulate) is { } dx)
            {
                dy.Backend.MatMulSum([.. terms], dx, null, accumulate);
                foreach (var (branch, ds) in dropped)
                {
                    using var scope = new TensorScope();
                    var masked = dx.NewLike(dx.Shape);
                    dx.Backend.MatMul(ds, false, branch.A, false, masked);
                    branch.Drop.Apply(masked, dx, accumulate: true);
                }
            }
        }

        /// <summary>Gradients of one branch's factors: dB = dyᵀ·(S∘m), dm = Σ (dy·B)∘S, dA = dSᵀ·x. Returns dS = s·(dy·B)∘m (…, r) if something
        /// needs it.</summary>
        private Tensor? Factors(GradientFlow flow, Tensor dy, in Branch branch, int first)
        {
            var backend = dy.Backend;
            if (flow.Target(first + 1, out bool accumulate) is { } dB)
            {
                using var scope = new TensorScope();
                backend.MatMul(dy, true, Scaled(branch.Low!, branch.Middle), false, dB, 1, accumulate);
            }
            if (flow.Wants(first + 2))
            {
                BiasGradient(flow, dy, branch.Scale, first + 2);
            }
            if (branch.B is null)
            {
                return null;
            }
            var ds = dy.NewLike(dy.Shape.WithColumns(branch.A.Shape[0]));
            backend.MatMul(dy, false, branch.B, false, ds, branch.Middle is null ? branch.Scale : 1);
            if (branch.Middle is { } middle)
            {
                if (flow.Target(first + 3, out accumulate) is { } dm)
                {
                    backend.MultiplySumRows(ds, branch.Low!, dm, accumulate); // S has the scale in it, so dy·B must not have it yet.
                }
                if (flow.Wants(first) || flow.Wants(0))
                {
                    backend.MultiplyRow(ds, middle, ds, false);
                    backend.Scale(ds, branch.Scale, ds, false);
                }
            }
            if (flow.Target(first, out accumulate) is { } dA)
            {
                using var scope = new TensorScope();
                backend.MatMul(ds, true, branch.Drop.Active ? branch.Drop.Apply(_x!.Value) : _x!.Value, false, dA, 1, accumulate);
            }
            return ds;
        }

        private static void BiasGradient(GradientFlow flow, Tensor dy, float scale, int input)
        {
            var sum = dy.NewLike([dy.Shape.Columns], DType.F32);
            dy.Backend.SumRows(dy, sum, false);
            var db = flow.Target(input, out bool accumulate)!;
            dy.Backend.Scale(sum, scale, db, accumulate);
        }

        private readonly record struct Branch(Tensor A, Tensor? B, float Scale, DropoutKey Drop, Tensor? Low, Tensor? Middle);
    }
}
