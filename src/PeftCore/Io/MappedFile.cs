using System.IO.MemoryMappedFiles;
using PeftCore.Kernels;

namespace PeftCore.Io;

/// <summary>A memory-mapped file of one of the formats of tensors. Returned spans are views of the map and must not be used after
/// <see cref="Dispose"/>.</summary>
internal sealed unsafe class MappedFile : IDisposable
{
    private readonly MemoryMappedFile _map;
    private readonly MemoryMappedViewAccessor _view;
    private readonly byte* _file;
    private bool _disposed;

    private MappedFile(string path, MemoryMappedFile map, long length)
    {
        (Path, _map, Length) = (path, map, length);
        _view = map.CreateViewAccessor(0, length, MemoryMappedFileAccess.Read);
        _view.SafeMemoryMappedViewHandle.AcquirePointer(ref _file);
    }

    /// <summary>The path.</summary>
    public string Path { get; }

    /// <summary>Bytes of the file.</summary>
    public long Length { get; }

    /// <summary>Maps a file.</summary>
    /// <param name="path">The path.</param>
    /// <param name="format">The name of the format, for errors.</param>
    /// <param name="least">Bytes of the shortest file.</param>
    /// <exception cref="BadInputException">The file cannot be read, or is shorter.</exception>
    public static MappedFile Open(string path, string format, int least)
    {
        ArgumentNullException.ThrowIfNull(path);
        FileStream? stream = null;
        try
        {
            // The size is checked first: pipes and devices have none, and opening a pipe would wait for its writer.
            var info = new FileInfo(path);
            info = info.ResolveLinkTarget(returnFinalTarget: true) as FileInfo ?? info;
            if (info.Length < least)
            {
                throw TooShort(info.Length);
            }

            stream = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete, bufferSize: 0);
            long length = stream.Length;
            if (length < least)
            {
                throw TooShort(length);
            }

            var map = MemoryMappedFile.CreateFromFile(stream, null, 0, MemoryMappedFileAccess.Read, HandleInheritability.None,
                leaveOpen: false);
            stream = null; // The map owns the file now.
            return new MappedFile(path, map, length);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(path, e);
        }
        finally
        {
            stream?.Dispose();
        }

        BadInputException TooShort(long length) => new($"{path}: the file has {length} bytes, too few for a {format} file.");
    }

    /// <summary>A piece of the file.</summary>
    public ReadOnlySpan<byte> Span(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfNegative(length);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset, Length - length);
        return new ReadOnlySpan<byte>(_file + offset, length);
    }

    /// <summary>Lets the system read a piece ahead.</summary>
    public void Prefetch(long offset, int length)
    {
        fixed (byte* first = Span(offset, length))
        {
            HostPages.Prefetch(first, (nuint)length);
        }
    }

    /// <summary>Takes the pages of a piece that was read out of this process's memory, so that reading a file of any size takes that of one
    /// piece.</summary>
    public void Release(long offset, int length)
    {
        fixed (byte* first = Span(offset, length))
        {
            HostPages.Release(first, (nuint)length);
        }
    }

    /// <summary>Copies a piece. A thread that closes the file meanwhile waits with the unmapping.</summary>
    public byte[] Copy(long offset, int length)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        bool isHeld = false;
        try
        {
            _view.SafeMemoryMappedViewHandle.DangerousAddRef(ref isHeld);
            return Span(offset, length).ToArray();
        }
        finally
        {
            if (isHeld)
            {
                _view.SafeMemoryMappedViewHandle.DangerousRelease();
            }
        }
    }

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
}
