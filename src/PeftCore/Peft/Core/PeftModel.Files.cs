using PeftCore.Io;
using PeftCore.Backends;
using PeftCore.Models;

namespace PeftCore.Peft;

public sealed partial class PeftModel
{
    /// <summary>Saves adapters as Hugging Face PEFT does: "default" in the directory itself, any other in a subdirectory of its
    /// name.</summary>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="names">The adapters to save; none for all.</param>
    public void Save(string directory, params IReadOnlyList<string> names)
    {
        if (names.Count == 0)
        {
            names = [.. _adapters.Keys];
        }
        AdapterFiles.Update(directory, built =>
        {
            foreach (string name in names)
            {
                var adapter = Get(name);
                if (adapter.Config is Lora.LoraConfig { Init: Lora.LoraInit.Corda or Lora.LoraInit.LoraGa })
                {
                    SaveConverted(built, name); // Nobody could take the initial factors out of a base again.
                    continue;
                }
                OnPlainBase(() => AdapterFiles.Save(Base, adapter, DirectoryOf(built, name)));
            }
        });
    }

    /// <summary>Attaches a saved adapter and makes it the active one. If it cannot be loaded, everything stays as it was.</summary>
    /// <param name="directory">Holds adapter_config.json and adapter_model.safetensors.</param>
    /// <param name="name">The adapter's name from now on.</param>
    /// <param name="trainable">Whether it trains further.</param>
    /// <param name="warnings">Gets a sentence for each field that is unknown and ignored.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or the adapter does not fit this model.</exception>
    public void Load(string directory, string name = DefaultAdapter, bool trainable = false, ICollection<string>? warnings = null)
    {
        var (config, source) = AdapterFiles.Open(directory, warnings);
        using var open = source;
        string configPath = AdapterFiles.ConfigPath(directory);
        using var tables = OnPlainBase(() => AdapterTables.Read(Base, source));
        var adapter = Attach(config, new AttachContext(Base, name, seed: 0, AdapterFiles.MostElements(source))
        {
            Place = configPath,
            Stored = source,
            Warnings = warnings,
            LikeReference = GradientsLikeReference,
        }, tables);
        try
        {
            OnPlainBase(() => AdapterFiles.ReadWeights(adapter, source, tables, warnings));
            OnPlainBase(() => config.CheckStored(Base, source, trainable));
        }
        catch
        {
            adapter.Free();
            throw;
        }
        foreach (string warning in source.Warnings())
        {
            warnings?.Add(warning);
        }
        Register(adapter);
        adapter.SetRequiresGrad(trainable, active: false);
        SetActive(name);
    }

    /// <summary>Reads the values of an attached adapter again from a directory it was saved to. If they do not fit, nothing
    /// changes.</summary>
    public void Reload(string directory, string name = DefaultAdapter)
    {
        AtomicDirectory.Recover(directory);
        using var source = AdapterFiles.OpenWeights(directory);
        var adapter = Get(name);
        bool merged = _merged.ContainsKey(name);
        OnPlainBase(() =>
        {
            using var tables = AdapterTables.Read(Base, source);
            AdapterFiles.ReadWeights(adapter, source, tables);
        });
        if (merged)
        {
            Unmerge(name);
            Merge(safe: false);
        }
    }

    /// <summary>Saves what trains, exactly, so that training can go on from it: the adapter, and what its own files do not hold, such as a
    /// network that makes its virtual tokens, or what ranks are chosen by.</summary>
    /// <param name="directory">Made if it is not there.</param>
    /// <param name="name">The adapter.</param>
    public void SaveState(string directory, string name = DefaultAdapter) => AdapterFiles.Update(directory, built =>
    {
        Save(built, [name]);
        if (Get(name).State is { } state)
        {
            SafetensorsWriter.Write(StateFile(built, name), state().Select(entry => entry.ToFile()));
        }
    });

    /// <summary>Reads into an attached adapter what <see cref="SaveState"/> wrote. If it does not fit, nothing changes.</summary>
    /// <param name="directory">Where it was saved.</param>
    /// <param name="name">The adapter.</param>
    public void LoadState(string directory, string name = DefaultAdapter)
    {
        if (Get(name).State is not { } state)
        {
            Reload(DirectoryOf(directory, name), name);
            return;
        }
        using var source = OpenState(directory, name);
        var entries = state().ToList();
        entries.ForEach(entry => entry.Check(source.Get(entry.Name)));
        entries.ForEach(entry => entry.Read(source.Get(entry.Name)));
    }

    private static WeightSource OpenState(string directory, string name)
    {
        string path = StateFile(directory, name);
        AtomicDirectory.Recover(DirectoryOf(directory, name));
        return WeightSource.OpenFile(PendingFiles.Find(path) ?? path);
    }

    private static string StateFile(string directory, string name) => Path.Combine(DirectoryOf(directory, name), AdapterFiles.StateName);

    /// <summary>Loads a base model and an adapter on it.</summary>
    public static PeftModel Load(string baseDirectory, string adapterDirectory, IBackend backend)
    {
        var model = new PeftModel(ModelLoader.Load(baseDirectory, backend));
        try
        {
            model.Load(adapterDirectory);
            return model;
        }
        catch
        {
            model.Base.Free();
            throw;
        }
    }

    private static string DirectoryOf(string directory, string name) => name == DefaultAdapter ? directory : Path.Combine(directory, name);
}
