using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models.Quantized;

/// <summary>A parameter as a weight file stores it: one tensor, or several.</summary>
internal abstract class StoredWeight
{
    /// <summary>The tensors of the file.</summary>
    public abstract IReadOnlyList<WeightEntry> Entries { get; }

    /// <summary>Dtype of the numbers: before they were quantised, if they are.</summary>
    public abstract DType DType { get; }

    /// <summary>The quantisation method; null for plain numbers.</summary>
    public virtual string? Method => null;

    /// <summary>The format that a layer can keep in memory; null if the numbers are dequantised as they are read.</summary>
    public virtual QuantizedFormat? Format => null;

    /// <summary>Checks shapes, dtypes and fields.</summary>
    /// <param name="shape">The parameter's shape.</param>
    /// <exception cref="BadInputException">Something does not fit.</exception>
    public abstract void Check(Shape shape);

    /// <summary>Fills a tensor of any float dtype with the numbers.</summary>
    public abstract void Read(Tensor value);

    /// <summary>Fills a quantised tensor of <see cref="Format"/>.</summary>
    public virtual void ReadCodes(Tensor value) => throw new InvalidOperationException($"{Entries[0].Name} has no codes");
}

/// <summary>A tensor of floating-point numbers.</summary>
internal sealed class PlainWeight(WeightEntry entry) : StoredWeight
{
    public override IReadOnlyList<WeightEntry> Entries { get; } = [entry];

    public override DType DType => WeightReader.DefaultDType(entry);

    public override void Check(Shape shape) => WeightReader.Check(entry, shape);

    public override void Read(Tensor value) => PieceReader.Read(entry, value);
}

/// <summary>A parameter that a file divides into equal parts, one after the other.</summary>
internal sealed class JoinedWeight(IReadOnlyList<(WeightPiece Piece, StoredWeight Weight)> parts) : StoredWeight
{
    public override IReadOnlyList<WeightEntry> Entries { get; } = [.. parts.SelectMany(part => part.Weight.Entries)];

    public override DType DType => parts[0].Weight.DType;

    public override string? Method => parts.Select(part => part.Weight.Method).FirstOrDefault(method => method is not null);

    public override void Check(Shape shape)
    {
        foreach (var (piece, weight) in parts)
        {
            weight.Check(piece.ShapeIn(shape));
        }
    }

    public override void Read(Tensor value)
    {
        foreach (var (piece, weight) in parts)
        {
            using var part = piece.Of(value);
            weight.Read(part);
        }
    }
}
