using System.Text.Json;
using System.Text.Json.Nodes;
using PeftCore.Cli.Output;
using PeftCore.Cli.Session;
using PeftCore.Cli.Verbs;
using PeftCore.Io;

namespace PeftCore.Cli.Verify;

/// <summary>Trains an adapter again by its receipt and compares the files to the bit.</summary>
internal static class ReceiptCheck
{
    /// <returns>The files that differ from those of the receipt.</returns>
    /// <exception cref="BadInputException">There is no receipt, or version, device, base, data, settings or the adapter are not those of
    /// the receipt.</exception>
    public static List<string> Run(string directory, Invocation call)
    {
        string path = Path.Combine(directory, Receipt.FileName);
        using var document = JsonFile.Read(path);
        var receipt = JsonObject.Create(document.RootElement.Clone()) ?? throw Bad(path, "is not a JSON object");
        CheckInputs(path, receipt, call.Device, directory);
        Compare(path, "the adapter", directory, Part(path, receipt, "adapter"), Receipt.Adapter(directory));

        using var temporary = new TemporaryDirectory();
        string settings = Path.Combine(temporary.FullPath, "settings.json"), output = Path.Combine(temporary.FullPath, "adapter");
        JsonFile.Write(settings, Part(path, receipt, "settings").DeepClone());
        call.Say($"training again by {path}");
        // The progress of the second training is no result of this verb.
        var quiet = new Terminal(TextWriter.Null, call.Terminal.Error);
        int code = Tool.Run(["train", "-c", settings, "--output-dir", output, "--device", call.Device], quiet, call.Stop);
        call.Stop.ThrowIfCancellationRequested();
        if (code != Tool.Done)
        {
            throw new BadInputException($"{path}: the adapter could not be trained again; the line above says why.");
        }
        return Differences(Part(path, receipt, "adapter"), Receipt.Adapter(output));
    }

    private static void CheckInputs(string path, JsonObject receipt, string device, string output)
    {
        string version = Text(path, receipt, "peftcore_version");
        if (version != Tool.ToolVersion)
        {
            throw Bad(path, $"was written by peftcore {version}, and this is {Tool.ToolVersion}; install that version to train it again");
        }
        string model = Text(path, Part(path, receipt, "base"), "path"), data = Text(path, Part(path, receipt, "data"), "path");
        var now = Receipt.Inputs(model, data, (JsonObject)Part(path, receipt, "settings").DeepClone(), device, output);
        var (was, here) = (Part(path, receipt, "device"), (JsonObject)now["device"]!);
        if (Differences(was, here).Count > 0)
        {
            throw Bad(path, $"names the device {Words(was)}, and this is {Words(here)}; "
                + (Text(path, was, "kind") != device ? $"give --device {Text(path, was, "kind")}" : "train it again on such a device"));
        }
        if (Text(path, receipt, "settings_sha256") != Text(path, now, "settings_sha256"))
        {
            throw Bad(path, "has other settings than were trained with (their sha256 differs); restore the file");
        }
        Compare(path, "the base model", model, Files("base", receipt), Files("base", now));
        Compare(path, "the data", data, Files("data", receipt), Files("data", now));

        JsonObject Files(string name, JsonObject of) => Part(path, Part(path, of, name), "files");
    }

    private static void Compare(string path, string what, string place, JsonObject was, JsonObject here)
    {
        if (Differences(was, here) is [var file, ..])
        {
            string how = here[file] is null ? "is missing" : was[file] is null ? "was not there" : "has another sha256";
            throw Bad(path, $"was written for other files: {file} of {what} ({place}) {how}; restore the files that were trained with");
        }
    }

    private static List<string> Differences(JsonObject was, JsonObject here) =>
        [.. was.Select(entry => entry.Key).Union(here.Select(entry => entry.Key))
            .Where(name => was[name]?.ToString() != here[name]?.ToString())];

    private static JsonObject Part(string path, JsonObject receipt, string name) =>
        receipt[name] as JsonObject ?? throw Bad(path, $"has no object \"{name}\"; train the adapter again to get a whole receipt");

    private static string Text(string path, JsonObject part, string name) =>
        part[name] is JsonValue value && value.GetValueKind() == JsonValueKind.String ? value.GetValue<string>()
        : throw Bad(path, $"has no text \"{name}\"; train the adapter again to get a whole receipt");

    private static string Words(JsonObject device) => string.Join(", ", device.Select(entry => entry.Value?.ToString()));

    private static BadInputException Bad(string path, string problem) => new($"{path} {problem}.");
}
