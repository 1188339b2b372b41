using System.IO.MemoryMappedFiles;
using System.Text;

namespace PeftCore.Fuzz.Engine;

/// <summary>A memory-mapped file with the current input of each thread, one per line. It remains after a crash of the process, such as a
/// stack overflow.</summary>
internal sealed class RunningNote : IDisposable
{
    private const int LineBytes = 64, Lines = 64;
    private readonly MemoryMappedFile _file;
    private readonly MemoryMappedViewAccessor _view;
    private readonly string _path;

    public RunningNote(string path)
    {
        _path = path;
        _file = MemoryMappedFile.CreateFromFile(path, FileMode.Create, null, LineBytes * Lines);
        _view = _file.CreateViewAccessor();
    }

    public void Write(int thread, string kind, long index)
    {
        byte[] line = Encoding.ASCII.GetBytes($"{kind}:{index}".PadRight(LineBytes - 1) + "\n");
        _view.WriteArray(thread % Lines * LineBytes, line, 0, LineBytes);
    }

    /// <summary>Removes the file, because the process did not crash.</summary>
    public void Dispose()
    {
        _view.Dispose();
        _file.Dispose();
        File.Delete(_path);
    }
}
