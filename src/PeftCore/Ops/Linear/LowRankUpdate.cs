using PeftCore.Backends;
using PeftCore.Tensors;

namespace PeftCore.Ops;

/// <summary>A low-rank update of a linear map: s·((dropout(x)·Aᵀ)∘m)·Bᵀ + s·bias (Hu et al. 2021, "LoRA", equation 3; the diagonal m is
/// from VeRA, Kopiczko et al. 2023, equation 2).</summary>
/// <param name="A">(r, in)</param>
/// <param name="B">(out, r)</param>
/// <param name="Scale">s; in LoRA α/r or α/√r.</param>
/// <param name="Bias">(out) added after B and scaled with it, or null.</param>
/// <param name="Dropout">Dropout on the input of A.</param>
/// <param name="Diagonal">m (r), which multiplies x·Aᵀ before B; null for ones.</param>
internal readonly record struct LowRankUpdate(Tensor A, Tensor B, float Scale, Tensor? Bias = null, DropoutKey Dropout = default,
    Tensor? Diagonal = null)
{
    /// <summary>F32 (B, r) or the dtype of activations: factors of x·Aᵀ in each row of a mixed batch, 0 for columns of other rows'
    /// adapters; null for ones. For inference only.</summary>
    public Tensor? RowFactors { get; init; }

    /// <summary>y += s·bias.</summary>
    public void AddBias(Tensor y)
    {
        if (Bias is not null)
        {
            using var scope = new TensorScope();
            var scaled = Bias.NewLike(Bias.Shape, DType.F32);
            y.Backend.Scale(Bias, Scale, scaled, false);
            y.Backend.AddRow(y, scaled);
        }
    }
}

/// <summary>A linear map y = x·Wᵀ + b and its low-rank updates.</summary>
/// <param name="Weight">W (out, in), or (in, out) when <paramref name="Transposed"/>; F32, BF16 or F16.</param>
/// <param name="Bias">b (out), or null.</param>
/// <param name="Transposed">The weight has the layout of GPT-2's Conv1D.</param>
/// <param name="Updates">The active low-rank updates.</param>
internal sealed record AdaptedLinear(Tensor Weight, Tensor? Bias, bool Transposed, IReadOnlyList<LowRankUpdate> Updates)
{
    /// <summary>The number of columns of y.</summary>
    /// <exception cref="ShapeException">The shapes do not fit together.</exception>
    public int CheckedOutputs(Tensor x)
    {
        int outputs = LinearOp.OutputsOf(x, Weight, Bias, Transposed);
        for (int j = 0; j < Updates.Count; j++)
        {
            var update = Updates[j];
            Check.OneDevice("lora linear", x, update.A, update.B, update.Bias, update.Diagonal);
            Check.Matrix("lora linear", "A", update.A, update.A.Shape.Rows, x.Shape.Columns);
            Check.Matrix("lora linear", "B", update.B, outputs, update.A.Shape[0]);
            Check.Weights("lora linear", "the bias of B", update.Bias, outputs);
            Check.Weights("lora linear", "the diagonal", update.Diagonal, update.A.Shape[0]);
        }
        return outputs;
    }

    /// <summary>Appends the tensors to the inputs of an op, in the order of <see cref="MapSlots"/> and <see cref="UpdateSlots"/>.</summary>
    public void AddTo(List<Tensor?> inputs)
    {
        inputs.AddRange([Weight, Bias]);
        for (int j = 0; j < Updates.Count; j++)
        {
            var update = Updates[j];
            inputs.AddRange([update.A, update.B, update.Bias, update.Diagonal]);
        }
    }

    /// <summary>y += s·bias of each update that has one.</summary>
    public void AddUpdateBiases(Tensor y)
    {
        for (int j = 0; j < Updates.Count; j++)
        {
            Updates[j].AddBias(y);
        }
    }
}

/// <summary>Positions of one map's W, b and updates among the inputs of <see cref="LowRankLinearOp"/>.</summary>
/// <param name="Weight">Position of W.</param>
internal readonly record struct MapSlots(int Weight)
{
    /// <summary>Position of x, which comes before the first map.</summary>
    public const int X = 0;

    public static MapSlots First => new(X + 1);

    public int Bias => Weight + 1;

    public UpdateSlots Update(int index) => new(Bias + 1 + index * UpdateSlots.Count);

    /// <summary>The positions of the next map after one with <paramref name="updates"/> updates.</summary>
    public MapSlots Next(int updates) => new(Update(updates).A);
}

/// <summary>Positions of one update's tensors among the inputs of <see cref="LowRankLinearOp"/>.</summary>
/// <param name="A">Position of A.</param>
internal readonly record struct UpdateSlots(int A)
{
    public const int Count = 4;

    public int B => A + 1;

    public int Bias => A + 2;

    public int Diagonal => A + 3;
}
