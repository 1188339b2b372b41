using System.IO.Compression;
using PeftCore.Peft;

namespace PeftCore.Lab.Exports;

/// <summary>An adapter's directory, adapter_config.json and adapter_model.safetensors, as one zip file.</summary>
internal static class AdapterArchive
{
    public static byte[] Of(PeftModel model)
    {
        string directory = Directory.CreateTempSubdirectory("peftcore-lab-").FullName;
        try
        {
            model.Save(directory);
            using var bytes = new MemoryStream();
            using (var archive = new ZipArchive(bytes, ZipArchiveMode.Create, leaveOpen: true))
            {
                foreach (string file in Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal))
                {
                    archive.CreateEntryFromFile(file, Path.GetFileName(file));
                }
            }
            return bytes.ToArray();
        }
        finally
        {
            Directory.Delete(directory, recursive: true);
        }
    }
}
