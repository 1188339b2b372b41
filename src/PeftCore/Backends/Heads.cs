using PeftCore.Kernels;
using PeftCore.Tensors;

namespace PeftCore.Backends;

/// <summary>A view of attention heads in a (batch, length, columns) projection: element d of head h of a row is in column
/// <c>Offset + h·Stride + d</c>. So q, k and v of one fused projection need no copies.</summary>
/// <param name="Tensor">The projection, (batch, length, columns).</param>
/// <param name="Count">Number of heads.</param>
/// <param name="Dim">Elements of a head.</param>
/// <param name="Offset">Column of the first head.</param>
/// <param name="Stride">Columns from one head to the next; 0 means <paramref name="Dim"/>.</param>
internal readonly record struct Heads(Tensor Tensor, int Count, int Dim, int Offset = 0, int Stride = 0)
{
    internal HeadLayout Layout => new(Tensor.Shape.Columns, Offset, Stride == 0 ? Dim : Stride);

    /// <summary>Whether the heads cover all columns of the tensor.</summary>
    internal bool CoverTensor => Count * Dim == Tensor.Shape.Columns;

    /// <summary>Column where a head starts.</summary>
    internal int ColumnOf(int head) => Offset + head * (Stride == 0 ? Dim : Stride);

    /// <summary>The same columns of another tensor.</summary>
    internal Heads On(Tensor other) => this with { Tensor = other };
}
