using System.Runtime.InteropServices;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>y = x·Wᵀ + b + Σ s·((x·Aᵀ)∘m)·Bᵀ, the base product and the rank-r products in one output. Saves x only for A, S = s·x·Aᵀ only
/// for B and m, and never forms ΔW = B·diag(m)·A. Maps that read one x (query, key and value; gate and up) are one op: what they save of x
/// is one tensor, and their parts of dx are one sum.</summary>
public static class LoraLinearOp
{
    extension(Tensor x)
    {
        /// <summary>Applies a linear map and its low-rank updates to the innermost axis.</summary>
        /// <param name="weight">(out, in), or (in, out) when <paramref name="transposed"/>; F32, BF16 or F16.</param>
        /// <param name="bias">(out), or null.</param>
        /// <param name="transposed">The weight is stored as GPT-2's Conv1D stores it.</param>
        /// <param name="branches">The low-rank updates that are active.</param>
        /// <returns>(…, out)</returns>
        /// <exception cref="ShapeException">Shapes do not fit together.</exception>
        public Tensor LoraLinear(Tensor weight, Tensor? bias, bool transposed, params ReadOnlySpan<LowRankUpdate> branches) =>
            x.LoraLinears(new AdaptedLinear(weight, bias, transposed, branches.ToArray()))[0];

        /// <summary>Applies several linear maps with their low-rank updates to the innermost axis.</summary>
        /// <param name="maps">The maps.</param>
        /// <returns>(…, out) of each map in turn.</returns>
        /// <exception cref="ShapeException">Shapes do not fit together.</exception>
        public Tensor[] LoraLinears(params ReadOnlySpan<AdaptedLinear> maps)
        {
            var inputs = new List<Tensor?>(16) { x };
            var outputs = new Tensor[maps.Length];
            for (int i = 0; i < maps.Length; i++)
            {
                int columns = CheckedOutputs(x, maps[i]);
                outputs[i] = x.NewLike(x.Shape.WithColumns(columns));
                inputs.Add(maps[i].Weight);
                inputs.Add(maps[i].Bias);
                for (int j = 0; j < maps[i].Updates.Count; j++)
                {
                    var branch = maps[i].Updates[j];
                    inputs.Add(branch.A);
                    inputs.Add(branch.B);
                    inputs.Add(branch.Bias);
                    inputs.Add(branch.Diagonal);
                }
            }
            var kept = maps.ToArray();
            var low = Low(x, kept);
            using (new TensorScope())
            {
                using var sums = GroupedGemm.On(x.Backend);
                for (int i = 0; i < kept.Length; i++)
                {
                    var map = kept[i];
                    sums.Add(outputs[i], map.Bias, false, 1, new GemmOperands(x, false, map.Weight, !map.Transposed));
                    for (int j = 0; j < low[i].Length; j++)
                    {
                        sums.AddTerm(new GemmOperands(Scaled(low[i][j], map.Updates[j].Diagonal), false, map.Updates[j].B, true));
                    }
                }
                sums.Run();
                AddBranchBiases(outputs, kept);
            }
            Tape.Record(() => new LoraLinearNode(x, kept, low), CollectionsMarshal.AsSpan(inputs), outputs);
            return outputs;
        }
    }

    private static int CheckedOutputs(Tensor x, AdaptedLinear map)
    {
        int outputs = LinearOp.OutputsOf(x, map.Weight, map.Bias, map.Transposed);
        for (int j = 0; j < map.Updates.Count; j++)
        {
            var branch = map.Updates[j];
            Check.OneDevice("lora linear", x, branch.A, branch.B, branch.Bias, branch.Diagonal);
            Check.Matrix("lora linear", "A", branch.A, branch.A.Shape.Rows, x.Shape.Columns);
            Check.Matrix("lora linear", "B", branch.B, outputs, branch.A.Shape[0]);
            Check.Weights("lora linear", "the bias of B", branch.Bias, outputs);
            Check.Weights("lora linear", "the middle", branch.Diagonal, branch.A.Shape[0]);
        }
        return outputs;
    }

    /// <summary>S = s·x·Aᵀ (…, r) of every branch: with the scale in it the rank-r product joins the base product, and no gradient needs it
    /// again.</summary>
    private static Tensor[][] Low(Tensor x, AdaptedLinear[] maps)
    {
        var low = new Tensor[maps.Length][];
        for (int i = 0; i < maps.Length; i++)
        {
            low[i] = new Tensor[maps[i].Updates.Count];
            for (int j = 0; j < low[i].Length; j++)
            {
                low[i][j] = x.NewLike(x.Shape.WithColumns(maps[i].Updates[j].A.Shape[0]));
            }
        }
        using var scope = new TensorScope();
        using var sums = GroupedGemm.On(x.Backend);
        for (int i = 0; i < maps.Length; i++)
        {
            for (int j = 0; j < low[i].Length; j++)
            {
                var branch = maps[i].Updates[j];
                sums.Add(low[i][j], null, false, branch.Scale, new GemmOperands(branch.Dropout.Active ? branch.Dropout.Apply(x) : x, false,
                    branch.A, true));
            }
        }
        sums.Run();
        return low;
    }

    /// <summary>S∘m; S itself without m.</summary>
    internal static Tensor Scaled(Tensor s, Tensor? middle)
    {
        if (middle is null)
        {
            return s;
        }
        var scaled = s.NewLike(s.Shape);
        s.Backend.MultiplyRow(s, middle, scaled, false);
        return scaled;
    }

    private static void AddBranchBiases(Tensor[] outputs, AdaptedLinear[] maps)
    {
        for (int i = 0; i < maps.Length; i++)
        {
            for (int j = 0; j < maps[i].Updates.Count; j++)
            {
                var branch = maps[i].Updates[j];
                if (branch.Bias is { } bias)
                {
                    var scaled = bias.NewLike(bias.Shape, DType.F32);
                    bias.Backend.Scale(bias, branch.Scale, scaled, false);
                    bias.Backend.AddRow(outputs[i], scaled);
                }
            }
        }
    }
}
