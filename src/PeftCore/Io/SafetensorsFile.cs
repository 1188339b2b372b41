using System.Buffers.Binary;

namespace PeftCore.Io;

/// <summary>A safetensors file, memory-mapped, with a fully validated header. Tensors are read in place, so opening reads only the header.
/// Returned spans are views of the map and must not be used after <see cref="Dispose"/>.</summary>
internal sealed class SafetensorsFile : TensorFile
{
    private const int LengthPrefix = 8;
    private const long MaxHeader = 100_000_000;
    private readonly MappedFile _file;
    private readonly long _dataStart;
    private readonly long _dataLength;

    private SafetensorsFile(MappedFile file)
    {
        _file = file;
        long header = ReadHeaderLength(file.Length);
        _dataStart = LengthPrefix + header;
        _dataLength = file.Length - _dataStart;
        (Entries, Metadata) = SafetensorsHeader.Read(file.Path, file.Span(LengthPrefix, (int)header), _dataLength);
    }

    /// <inheritdoc/>
    public override string Path => _file.Path;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <summary>The header's "__metadata__"; empty without any.</summary>
    public override IReadOnlyDictionary<string, string> Metadata { get; }

    /// <inheritdoc/>
    public override long DataLength => _dataLength;

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or violates the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        var file = MappedFile.Open(path, "safetensors", LengthPrefix);
        try
        {
            return new SafetensorsFile(file);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>All bytes of a tensor, as a view of the file.</summary>
    /// <exception cref="ArgumentException">The tensor is longer than a span can be; read it in pieces with
    /// <see cref="Span"/>.</exception>
    public ReadOnlySpan<byte> Bytes(SafetensorsEntry entry)
    {
        ArgumentNullException.ThrowIfNull(entry);
        if (entry.Length > int.MaxValue)
        {
            throw new ArgumentException($"Tensor \"{entry.Name}\" has {entry.Length} bytes; read it in pieces with Span.", nameof(entry));
        }

        return Span(entry, 0, (int)entry.Length);
    }

    /// <summary>A piece of a tensor, as a view of the file.</summary>
    /// <param name="entry">A tensor of this file.</param>
    /// <param name="offset">Offset of the piece in the tensor, in bytes.</param>
    /// <param name="length">Bytes of the piece.</param>
    public override ReadOnlySpan<byte> Span(SafetensorsEntry entry, long offset, int length) =>
        _file.Span(PlaceOf(entry, offset, length), length);

    /// <inheritdoc/>
    public override void Prefetch(SafetensorsEntry entry, long offset, int length)
    {
        if (offset < entry.Length)
        {
            length = (int)Math.Min(length, entry.Length - offset);
            _file.Prefetch(PlaceOf(entry, offset, length), length);
        }
    }

    /// <summary>Takes the pages of a piece that was read out of this process's memory, so that reading a file of any size takes that of one
    /// piece.</summary>
    public override void Release(SafetensorsEntry entry, long offset, int length) =>
        _file.Release(PlaceOf(entry, offset, length), length);

    /// <inheritdoc/>
    public override byte[] Copy(SafetensorsEntry entry, int length) => _file.Copy(PlaceOf(entry, 0, length), length);

    /// <summary>Unmaps the file. Spans taken from it must not be used any more.</summary>
    public override void Dispose() => _file.Dispose();

    /// <summary>The offset of a tensor's piece in the file.</summary>
    private long PlaceOf(SafetensorsEntry entry, long offset, int length)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, entry.Length - length);
        // An entry of another file could be outside this map.
        if (entry.Offset < 0 || entry.Offset > _dataLength - entry.Length)
        {
            throw new ArgumentException($"Tensor \"{entry.Name}\" does not belong to {Path}.", nameof(entry));
        }

        return _dataStart + entry.Offset + offset;
    }

    private long ReadHeaderLength(long fileLength)
    {
        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(_file.Span(0, LengthPrefix));
        if (header > MaxHeader)
        {
            throw new BadInputException($"{Path}: the header claims {header} bytes, more than the format's limit of {MaxHeader}"
                + $"; this is not a safetensors file{OtherFormat()}.");
        }

        if ((long)header > fileLength - LengthPrefix)
        {
            throw new BadInputException($"{Path}: the header claims {header} bytes, but only {fileLength - LengthPrefix} follow its length"
                + "; the file is cut off or not a safetensors file.");
        }

        return (long)header;
    }

    /// <summary>The actual format of the file, if its first bytes identify it.</summary>
    private string OtherFormat()
    {
        var start = _file.Span(0, LengthPrefix);
        return start.SequenceEqual("version "u8) ? " but a pointer of Git LFS; fetch the file itself with git lfs pull"
            : start.StartsWith("GGUF"u8) ? " but GGUF; name it with the ending .gguf, as the model itself"
            : start.StartsWith("PK"u8) || start[0] == 0x80
                ? " but a pickle of PyTorch, which can run code; convert it in Python with torch.load and safetensors.torch.save_file"
            : start[0] is (byte)'<' or (byte)'{' ? " but text, perhaps the page of a failed download; download it again" : "";
    }
}
