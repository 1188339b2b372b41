using PeftCore.Backends;
using PeftCore.Ops;
using PeftCore.Tensors;

namespace PeftCore.Peft;

/// <summary>The error of merging into quantised weights: W + ΔW is rounded to codes again. The error of a weight is
/// ‖rounded − merged‖/‖merged‖, in Frobenius norms.</summary>
internal sealed class RequantizationError
{
    private readonly SortedSet<string> _formats = new(StringComparer.Ordinal);
    private int _weights;
    private double _worst, _errors, _squares;

    /// <summary>Adds the error of one weight.</summary>
    /// <param name="merged">W + ΔW, F32.</param>
    /// <param name="stored">The quantised weight.</param>
    public void Add(Tensor merged, Tensor stored)
    {
        using var scope = new TensorScope();
        var difference = stored.Dequantized(DType.F32);
        difference.Backend.Scale(merged, -1, difference, accumulate: true);
        double error = difference.Backend.SumOfSquares(difference), squares = merged.Backend.SumOfSquares(merged);
        _formats.Add(stored.Format!.Name);
        _weights++;
        _errors += error;
        _squares += squares;
        _worst = Math.Max(_worst, squares > 0 ? Math.Sqrt(error / squares) : 0);
    }

    /// <summary>A sentence about all weights; null if none is quantised.</summary>
    public string? Sentence => _weights == 0 ? null : string.Create(System.Globalization.CultureInfo.InvariantCulture,
        $"{_weights} merged weights were rounded to {string.Join(", ", _formats)} again, with a relative error of "
        + $"{100 * Math.Sqrt(_errors / Math.Max(_squares, double.Epsilon)):0.##} % ({100 * _worst:0.##} % in the worst weight): keep the "
        + $"adapter beside the base, or merge it into the base without quantisation, to lose nothing");
}
