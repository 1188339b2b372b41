using PeftCore.Peft;

namespace PeftCore.Server;

/// <summary>Finds the saved adapters that are served, by name. Those of a directory are looked up anew at each request, so that an adapter
/// saved there later is served without a restart.</summary>
/// <param name="named">Directories by name.</param>
/// <param name="parent">A directory whose subdirectories are adapters of their own names; null for none.</param>
public sealed class AdapterDirectories(IReadOnlyDictionary<string, string> named, string? parent)
{
    private static readonly string[] Refused = ["/", "\\", ":", "*", "?", "\"", "<", ">", "|"];

    /// <summary>The names, sorted.</summary>
    public IReadOnlyList<string> Names =>
        [.. named.Keys.Concat(Found().Select(found => found.Name)).Distinct().Order(StringComparer.Ordinal)];

    /// <summary>The directory of an adapter; null if there is none of the name.</summary>
    public string? Find(string name) => named.TryGetValue(name, out string? directory) ? directory
        : Found().FirstOrDefault(found => found.Name == name).Directory;

    /// <summary>Checks the names and directories that the command line gives.</summary>
    /// <param name="model">The name of the base model.</param>
    /// <exception cref="BadInputException">One cannot be served.</exception>
    public void Check(string model)
    {
        foreach (var (name, directory) in named)
        {
            if (!IsName(name))
            {
                throw new BadInputException($"--adapter: \"{name}\" cannot be the name of an adapter; choose one without spaces at its " +
                    $"ends and without {string.Join(' ', Refused)}");
            }
            if (!File.Exists(Path.Combine(directory, PeftConfig.FileName)))
            {
                throw new BadInputException($"--adapter {name}: {directory} has no {PeftConfig.FileName}; name the directory of a saved " +
                    "adapter.");
            }
        }
        if (parent is not null && !Directory.Exists(parent))
        {
            throw new BadInputException($"--adapters-dir: there is no directory {parent}.");
        }
        if (Names.Contains(model))
        {
            throw new BadInputException($"an adapter and the model are both called {model}; choose another name for the model with " +
                "--served-model-name.");
        }
        if (Found().FirstOrDefault(found => named.ContainsKey(found.Name)).Name is { } twice)
        {
            throw new BadInputException($"--adapter and --adapters-dir both have an adapter {twice}; choose another name with --adapter.");
        }
    }

    private IEnumerable<(string Name, string Directory)> Found()
    {
        if (parent is null)
        {
            return [];
        }
        try
        {
            return [.. Directory.EnumerateDirectories(parent).Select(directory => (Name: Path.GetFileName(directory), Directory: directory))
                .Where(found => IsName(found.Name) && File.Exists(Path.Combine(found.Directory, PeftConfig.FileName)))];
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            return [];
        }
    }

    private static bool IsName(string name) => name.Length is > 0 and <= 128 && name == name.Trim() && name is not ("." or "..")
        && !name.EndsWith('.') && name != PeftModel.NoAdapter && !name.Any(char.IsControl) && !Refused.Any(name.Contains);
}
