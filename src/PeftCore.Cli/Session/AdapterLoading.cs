using PeftCore.Peft;

namespace PeftCore.Cli.Session;

/// <summary>Loads saved adapters onto a model.</summary>
internal static class AdapterLoading
{
    /// <summary>Attaches adapters from their directories; all of them are active.</summary>
    public static void LoadAll(this PeftModel model, IReadOnlyList<string> directories, Action<string>? warn)
    {
        var warnings = new List<string>();
        var names = new List<string>();
        foreach (string directory in directories)
        {
            if (directories.Count(other => RealPath.AreSame(other, directory)) > 1)
            {
                throw new BadInputException($"{directory}: the adapter is named twice, and would be added twice; name it once");
            }
            string name = names.Count == 0 ? PeftModel.DefaultAdapter : $"{PeftModel.DefaultAdapter}{names.Count + 1}";
            model.Load(directory, name, warnings: warnings);
            names.Add(name);
        }
        if (names.Count > 1)
        {
            model.SetActive(names);
            model.Freeze();
        }
        warnings.ForEach(warning => warn?.Invoke(warning));
    }
}
