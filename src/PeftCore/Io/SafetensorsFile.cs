using System.Buffers.Binary;
using System.IO.MemoryMappedFiles;
using PeftCore.Kernels;

namespace PeftCore.Io;

/// <summary>A safetensors file, memory-mapped, with a fully validated header. Tensors are read in place, so opening reads only the header.
/// Returned spans are views of the map and must not be used after <see cref="Dispose"/>.</summary>
internal sealed unsafe class SafetensorsFile : IDisposable
{
    private const int LengthPrefix = 8;
    private const long MaxHeader = 100_000_000;
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _file;
    private readonly long _dataStart;
    private readonly long _dataLength;
    private bool _disposed;

    private SafetensorsFile(string path, MemoryMappedFile map, long fileLength)
    {
        Path = path;
        _map = map;
        _view = map.CreateViewAccessor(0, fileLength, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _file);
        try
        {
            long header = ReadHeaderLength(fileLength);
            _dataStart = LengthPrefix + header;
            _dataLength = fileLength - _dataStart;
            (Entries, Metadata) = SafetensorsHeader.Read(path, new ReadOnlySpan<byte>(_file + LengthPrefix, (int)header), _dataLength);
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The path.</summary>
    public string Path { get; }

    /// <summary>The tensors by name.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries { get; }

    /// <summary>The header's "__metadata__"; empty without any.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>Bytes of the tensor data.</summary>
    public long DataLength => _dataLength;

    /// <summary>Opens and validates a file.</summary>
    /// <exception cref="BadInputException">The file cannot be read, or violates the format.</exception>
    public static SafetensorsFile Open(string path)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileStream? stream = null;
        try
        {
            // The size is checked first: pipes and devices have none, and opening a pipe would wait for its writer.
            var info = new FileInfo(path);
            info = info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info;
            if (info.Length < LengthPrefix)
            {
                throw new BadInputException($"{path}: the file has {info.Length} bytes, too few for a safetensors file.");
            }

            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            long length = stream.Length;
            if (length < LengthPrefix)
            {
                throw new BadInputException($"{path}: the file has {length} bytes, too few for a safetensors file.");
            }

            var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None,
                leaveOpen: false);
            stream = null; // The map owns the file now.
            return new SafetensorsFile(path, map, length);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
        finally
        {
            stream?.Dispose();
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
    public ReadOnlySpan<byte> Span(SafetensorsEntry entry, long offset, int length)
    {
        ArgumentNullException.ThrowIfNull(entry);
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, entry.Length - length);
        // An entry of another file could be outside this map.
        if (entry.Offset < 0 || entry.Offset > _dataLength - entry.Length)
        {
            throw new ArgumentException($"Tensor \"{entry.Name}\" does not belong to {Path}.", nameof(entry));
        }

        return new ReadOnlySpan<byte>(_file + _dataStart + entry.Offset + offset, length);
    }

    /// <summary>Lets the system read a piece of a tensor ahead; what lies behind the tensor's end is left out.</summary>
    public void Prefetch(SafetensorsEntry entry, long offset, int length)
    {
        if (offset < entry.Length)
        {
            var piece = Span(entry, offset, (int)Math.Min(length, entry.Length - offset));
            fixed (byte* first = piece)
            {
                HostPages.Prefetch(first, (nuint)piece.Length);
            }
        }
    }

    /// <summary>Takes the pages of a piece that was read out of this process's memory, so that reading a file of any size takes that of one
    /// piece.</summary>
    public void Release(SafetensorsEntry entry, long offset, int length)
    {
        fixed (byte* first = Span(entry, offset, length))
        {
            HostPages.Release(first, (nuint)length);
        }
    }

    /// <summary>Copies a tensor's first bytes. A thread that closes the file meanwhile waits with the unmapping.</summary>
    public byte[] Copy(SafetensorsEntry entry, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool isHeld = false;
        try
        {
            _view.SafeMemoryMappedViewHandle.DangerousAddRef(ref isHeld);
            return Span(entry, 0, length).ToArray();
        }
        finally
        {
            if (isHeld)
            {
                _view.SafeMemoryMappedViewHandle.DangerousRelease();
            }
        }
    }

    /// <summary>Copies the bytes of a tensor that begin at <paramref name="offset"/>, as many as the target holds.</summary>
    public void CopyTo(SafetensorsEntry entry, Span<byte> target, long offset = 0) => Span(entry, offset, target.Length).CopyTo(target);

    /// <summary>Unmaps the file. Spans taken from it must not be used any more.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        _view.SafeMemoryMappedViewHandle.ReleasePointer();
        _view.Dispose();
        _map.Dispose();
    }

    private long ReadHeaderLength(long fileLength)
    {
        ulong header = BinaryPrimitives.ReadUInt64LittleEndian(new ReadOnlySpan<byte>(_file, LengthPrefix));
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
        var start = new ReadOnlySpan<byte>(_file, LengthPrefix);
        return start.SequenceEqual("version "u8) ? " but a pointer of Git LFS; fetch the file itself with git lfs pull"
            : start.StartsWith("GGUF"u8) ? " but GGUF, which is not read here; take the original safetensors model"
            : start.StartsWith("PK"u8) || start[0] == 0x80
                ? " but a pickle of PyTorch, which can run code; convert it in Python with torch.load and safetensors.torch.save_file"
            : start[0] is (byte)'<' or (byte)'{' ? " but text, perhaps the page of a failed download; download it again" : "";
    }
}
