using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

public partial interface IBackend
{
    /// <summary>y = f(x); y may be x.</summary>
    void Map<TFormula>(Tensor x, Tensor y) where TFormula : struct, IUnaryFormula;

    /// <summary>dx (+)= dy·f′(x); dx may be x or dy when not accumulating.</summary>
    void MapGradient<TFormula>(Tensor x, Tensor dy, Tensor dx, bool accumulate) where TFormula : struct, IUnaryFormula;

    /// <summary>h = f(gate)·up.</summary>
    void Gated<TFormula>(Tensor gate, Tensor up, Tensor h) where TFormula : struct, IUnaryFormula;

    /// <summary>dgate = dh·up·f′(gate), dup = dh·f(gate); each may take its input's place.</summary>
    void GatedGradient<TFormula>(Tensor gate, Tensor up, Tensor dh, Tensor dgate, Tensor dup) where TFormula : struct, IUnaryFormula;

    /// <summary>y = a + b; y may be a or b.</summary>
    void Add(Tensor a, Tensor b, Tensor y);

    /// <summary>y (+)= a·b, element by element.</summary>
    void Multiply(Tensor a, Tensor b, Tensor y, bool accumulate);

    /// <summary>y (+)= factor·x; y may be x when not accumulating.</summary>
    void Scale(Tensor x, float factor, Tensor y, bool accumulate);

    /// <summary>y (+)= scalar·x with the scalar on the device; y may be x when not accumulating.</summary>
    void ScaleBy(Tensor x, Tensor scalar, Tensor y, bool accumulate);

    /// <summary>y[r, c] (+)= x[r, c]·row[c].</summary>
    void MultiplyRow(Tensor x, Tensor row, Tensor y, bool accumulate);

    /// <summary>row[c] (+)= Σ_r x[r, c]·y[r, c].</summary>
    void MultiplySumRows(Tensor x, Tensor y, Tensor row, bool accumulate);

    /// <summary>y[r, c] (+)= x[r, c]·column[r].</summary>
    void MultiplyColumn(Tensor x, Tensor column, Tensor y, bool accumulate);

    /// <summary>dots[r] (+)= Σ_c x[r, c]·y[r, c].</summary>
    void RowDots(Tensor x, Tensor y, Tensor dots, bool accumulate);

    /// <summary>Keeps element i with probability 1 − p, scaled by 1/(1 − p), by the counter-based generator (seed, stream, i).</summary>
    void Dropout(Tensor x, Tensor y, float probability, ulong seed, ulong stream, bool accumulate);

    /// <summary>Fills with uniform numbers in [low, high) from (seed, stream).</summary>
    void FillUniform(Tensor y, float low, float high, ulong seed, ulong stream);

    /// <summary>Fills with normal numbers from (seed, stream).</summary>
    void FillNormal(Tensor y, float mean, float standardDeviation, ulong seed, ulong stream);
}
