using PeftCore.Peft;

namespace PeftCore.Lab.Engine;

/// <summary>ΔW of one layer as the page draws it.</summary>
internal sealed record DeltaView
{
    /// <summary>The distance between 1 and the next F32 number: products that make ΔW are rounded to it.</summary>
    private const double Epsilon = 1.1920929e-7;

    private DeltaView(int rows, int columns) => (Rows, Columns) = (rows, columns);

    /// <summary>Outputs of the layer.</summary>
    public int Rows { get; }

    /// <summary>Inputs of the layer.</summary>
    public int Columns { get; }

    /// <summary>Root of the mean square of each block of ΔW, row by row.</summary>
    public required double[][] Cells { get; init; }

    /// <summary>The singular values of ΔW, which descend.</summary>
    public required double[] SingularValues { get; init; }

    /// <summary>‖ΔW‖ in the Frobenius norm.</summary>
    public double Norm => Math.Sqrt(SingularValues.Sum(value => value * value));

    /// <summary>The numerical rank: singular values above max(out, in)·ε of the largest, as NumPy's matrix_rank counts, with the ε of
    /// F32.</summary>
    public int NumericalRank => SingularValues.Count(value => value > SingularValues[0] * Math.Max(Rows, Columns) * Epsilon);

    /// <summary>The effective rank (Roy and Vetterli 2007): exp of the entropy of the singular values, divided by their sum. It is r if r
    /// of them are equal and the others zero.</summary>
    public double EffectiveRank
    {
        get
        {
            double sum = SingularValues.Sum();
            return sum == 0 ? 0 : Math.Exp(-SingularValues.Where(value => value > 0).Sum(value => value / sum * Math.Log(value / sum)));
        }
    }

    /// <summary>Reads a layer's ΔW; null if the adapter does not change its weight.</summary>
    /// <exception cref="BadInputException">There is no such layer, or the method's update is no change of its weight.</exception>
    public static DeltaView? Of(PeftModel model, string path, int rows, int columns)
    {
        if (model.WeightUpdate(path) is not { } update)
        {
            return null;
        }
        if (!update.Delta.All(double.IsFinite))
        {
            throw new BadInputException($"ΔW of {path} holds NaN or infinity");
        }
        return new DeltaView(rows, columns)
        {
            Cells = BlockSizes.Of(rows, columns, (i, j) => update.Delta[i * columns + j]),
            SingularValues = update.SingularValues,
        };
    }
}
