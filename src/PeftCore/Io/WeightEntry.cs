namespace PeftCore.Io;

/// <summary>One tensor of a model's weights: its file and its header entry. Its bytes are read in place and valid until the
/// <see cref="WeightSource"/> is disposed.</summary>
public sealed class WeightEntry
{
    private readonly SafetensorsEntry _entry;

    internal WeightEntry(SafetensorsFile file, SafetensorsEntry entry, bool isListed = true) =>
        (File, _entry, IsListed) = (file, entry, isListed);

    /// <summary>The file that holds the tensor.</summary>
    internal SafetensorsFile File { get; }

    /// <summary>The tensor's name.</summary>
    public string Name => _entry.Name;

    /// <summary>The element type as the file spells it, such as "BF16".</summary>
    public string DType => _entry.DType;

    /// <summary>The sizes of its axes.</summary>
    public long[] Shape => _entry.Shape;

    /// <summary>Its bytes.</summary>
    internal long Length => _entry.Length;

    /// <summary>Whether the index of a sharded model names it; true without an index.</summary>
    internal bool IsListed { get; }

    /// <summary>All its bytes; for tensors beyond 2 GiB use <see cref="Span"/>.</summary>
    public ReadOnlySpan<byte> Bytes => File.Bytes(_entry);

    /// <summary>A piece of its bytes.</summary>
    internal ReadOnlySpan<byte> Span(long offset, int length) => File.Span(_entry, offset, length);

    /// <summary>Copies its bytes from <paramref name="offset"/> on, as many as the target holds.</summary>
    internal void CopyTo(Span<byte> target, long offset = 0) => File.CopyTo(_entry, target, offset);

    /// <summary>Whether two tensors have the same dtype, shape and bytes.</summary>
    internal bool IsCopyOf(WeightEntry other)
    {
        const int Piece = 64 << 20;
        if (DType != other.DType || !Shape.AsSpan().SequenceEqual(other.Shape))
        {
            return false;
        }
        for (long at = 0; at < Length; at += Piece)
        {
            int length = (int)Math.Min(Piece, Length - at);
            if (!Span(at, length).SequenceEqual(other.Span(at, length)))
            {
                return false;
            }
        }
        return true;
    }

    /// <summary>An error with the message "file: tensor "name" problem."</summary>
    internal BadInputException Error(string problem) => new($"{File.Path}: tensor \"{Name}\" {problem}.");
}
