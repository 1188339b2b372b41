namespace PeftCore.Cli.Session;

/// <summary>A new directory among the system's temporary files, removed on dispose.</summary>
internal sealed class TemporaryDirectory : IDisposable
{
    public string FullPath { get; } = Directory.CreateTempSubdirectory("peftcore-").FullName;

    public void Dispose() => Directory.Delete(FullPath, recursive: true);
}
