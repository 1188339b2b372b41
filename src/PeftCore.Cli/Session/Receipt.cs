using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using PeftCore.Cli.Options;
using PeftCore.Cli.Verbs;
using PeftCore.Ilgpu;
using PeftCore.Io;
using PeftCore.Training;

namespace PeftCore.Cli.Session;

/// <summary>adapter_receipt.json: from what and how an adapter was trained, so that it can be trained again and compared to the bit. The
/// number of threads is not in it, because results do not depend on it.</summary>
internal static class Receipt
{
    public const string FileName = "adapter_receipt.json";

    // Places of this run, which a second run chooses anew, and threads and memory, on which the trained numbers do not depend.
    private static readonly string[] Free = ["output_dir", "resume_from_checkpoint", "device", "threads", "max_memory"];

    /// <summary>Writes the receipt beside a finished run's adapter. A run that goes on with other settings than it began with has none,
    /// because no single run leads to its adapter.</summary>
    public static void Write(TrainOptions options, JsonObject settings, MemoryPlan plan, bool isFinished, string? differences)
    {
        string output = options.OutputDir!, path = Path.Combine(output, FileName);
        if (!isFinished || differences is not null)
        {
            File.Delete(path);
            return;
        }
        var receipt = Inputs(options.Model!, options.Data!, SettingsOf(settings), options.Device, output);
        receipt["planned_bytes"] = plan.PeakBytes;
        receipt["adapter"] = Adapter(output);
        JsonFile.Write(path, receipt);
    }

    /// <summary>Everything that decides the trained numbers. Files below the output directory are no inputs.</summary>
    public static JsonObject Inputs(string model, string data, JsonObject settings, string device, string output) => new()
    {
        ["peftcore_version"] = Tool.ToolVersion,
        ["device"] = DeviceOf(device),
        ["base"] = Source(model, output),
        ["data"] = Source(data, output),
        ["settings"] = settings,
        ["settings_sha256"] = Hash(Encoding.UTF8.GetBytes(settings.ToJsonString())),
    };

    /// <summary>The adapter's files with their hashes.</summary>
    public static JsonObject Adapter(string directory) => Hashes(directory, Directory.GetFiles(directory)
        .Where(file => Path.GetFileName(file) is "adapter_config.json" or ConvertVerb.PipelineFileName
            || Path.GetFileName(file).StartsWith("adapter_model", StringComparison.Ordinal)));

    public static JsonObject SettingsOf(JsonObject settings)
    {
        var kept = (JsonObject)settings.DeepClone();
        foreach (string name in Free)
        {
            kept.Remove(name);
        }
        return kept;
    }

    // The instruction sets decide the order in which sums are added; the system's library computes logarithms and powers.
    private static JsonObject DeviceOf(string device)
    {
        string processor = $"{RuntimeInformation.ProcessArchitecture}, {Processor.VectorBits}-bit vectors".ToLowerInvariant();
        string system = OperatingSystem.IsWindows() ? "windows" : OperatingSystem.IsMacOS() ? "macos" : "linux";
        var result = new JsonObject { ["kind"] = device, ["processor"] = processor, ["system"] = system };
        if (device != "cpu")
        {
            result["name"] = Devices.FindGpus()?.Devices.FirstOrDefault(found => found.Kind == device) is { } found
                ? $"{found.Name} {found.Architecture}".Trim() : "";
        }
        return result;
    }

    /// <summary>The files of a file or a directory, by their path inside it.</summary>
    private static JsonObject Source(string path, string output)
    {
        if (File.Exists(path))
        {
            return new JsonObject { ["path"] = path, ["files"] = Hashes(Path.GetDirectoryName(path) ?? "", [path]) };
        }
        if (!Directory.Exists(path))
        {
            throw new BadInputException($"{path}: there is no such file or directory; run this where the adapter was trained.");
        }
        // Hidden files, such as those of a version control system, are not read by training.
        string own = Path.GetFullPath(output) + Path.DirectorySeparatorChar;
        var files = Directory.GetFiles(path, "*", SearchOption.AllDirectories)
            .Where(file => !Path.GetFullPath(file).StartsWith(own, StringComparison.Ordinal))
            .Where(file => !Path.GetRelativePath(path, file).Split(Path.DirectorySeparatorChar).Any(part => part.StartsWith('.')));
        return new JsonObject { ["path"] = path, ["files"] = Hashes(path, files) };
    }

    private static JsonObject Hashes(string root, IEnumerable<string> files)
    {
        var result = new JsonObject();
        foreach (string file in files.Order(StringComparer.Ordinal))
        {
            try
            {
                using var stream = File.OpenRead(file);
                result[Path.GetRelativePath(root.Length == 0 ? "." : root, file).Replace('\\', '/')] =
                    Convert.ToHexStringLower(SHA256.HashData(stream));
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new BadInputException($"{file}: the file cannot be read to hash it: {e.Message}", e);
            }
        }
        return result;
    }

    private static string Hash(byte[] bytes) => Convert.ToHexStringLower(SHA256.HashData(bytes));
}
