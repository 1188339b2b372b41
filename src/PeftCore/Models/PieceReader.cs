using System.Runtime.InteropServices;
using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

/// <summary>Reads pieces of a stored tensor into pieces of a tensor in memory, and converts between their dtypes on the device. The
/// workspace is one piece, and one more in F32 if neither dtype is F32; a read without conversion needs none.</summary>
internal sealed class PieceReader : IDisposable
{
    /// <summary>Elements of the largest piece: 8 MiB of F32.</summary>
    public const int Elements = 1 << 21;

    private readonly WeightEntry _entry;
    private readonly bool _isDouble;
    private readonly Tensor? _narrow;
    private readonly Tensor? _wide;

    /// <param name="entry">The stored tensor: F32, BF16, F16, or F64, which is rounded to F32.</param>
    /// <param name="target">The tensor whose pieces are filled, of a float dtype.</param>
    public PieceReader(WeightEntry entry, Tensor target)
    {
        (_entry, _isDouble) = (entry, entry.DType == "F64");
        var stored = _isDouble ? DType.F32 : WeightReader.DTypeOf(entry);
        if (stored != target.DType)
        {
            Shape piece = [(int)Math.Min(Elements, target.Count)];
            _narrow = target.NewLike(piece, stored, MemoryKind.Workspace).Keep();
            _wide = stored != DType.F32 && target.DType != DType.F32 ? target.NewLike(piece, DType.F32, MemoryKind.Workspace).Keep() : null;
        }
    }

    /// <summary>Fills a tensor of any size.</summary>
    public static void Read(WeightEntry entry, Tensor target)
    {
        using var reader = new PieceReader(entry, target);
        foreach (var (first, piece) in target.Chunks(Elements))
        {
            reader.Read(first, piece);
        }
    }

    /// <summary>Fills a piece with the stored elements from <paramref name="first"/> on.</summary>
    public void Read(long first, Tensor piece)
    {
        if (_narrow is null)
        {
            Upload(first, piece);
            return;
        }
        using var values = _narrow.Unscoped(piece.Shape);
        Upload(first, values);
        if (_wide is null)
        {
            piece.Backend.Cast(values, piece);
            return;
        }
        using var wide = _wide.Unscoped(piece.Shape);
        piece.Backend.Cast(values, wide);
        piece.Backend.Cast(wide, piece);
    }

    public void Dispose()
    {
        _narrow?.Dispose();
        _wide?.Dispose();
    }

    private void Upload(long first, Tensor piece)
    {
        if (_isDouble)
        {
            var stored = MemoryMarshal.Cast<byte, double>(_entry.Span(first * sizeof(double), (int)piece.Count * sizeof(double)));
            piece.Upload<float>(Array.ConvertAll(stored.ToArray(), x => (float)x));
            return;
        }
        long at = first * piece.DType.Size;
        int bytes = (int)piece.ByteCount;
        _entry.Prefetch(at + bytes, bytes); // The system reads the next piece while this one is copied.
        piece.Backend.Upload(_entry.Span(at, bytes), piece);
        _entry.Release(at, bytes);
    }
}
