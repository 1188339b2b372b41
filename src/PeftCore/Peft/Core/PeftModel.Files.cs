using PeftCore.Backends;
using PeftCore.Peft.Lora;

namespace PeftCore.Peft;

// Reads and writes adapters and the state of a training run.
public sealed partial class PeftModel
{
    /// <summary>Loads a base model and an adapter on it.</summary>
    public static PeftModel Load(string baseDirectory, string adapterDirectory, Backend backend) =>
        AdapterFiles.LoadWithBase(baseDirectory, adapterDirectory, backend);

    /// <summary>Saves these adapters, or all if none is named, as Hugging Face PEFT does: "default" in the directory itself, others in
    /// subdirectories of their name. Missing directories are created.</summary>
    public void Save(string directory, params IReadOnlyList<string> names)
    {
        Given.Items(names);
        using var change = Set.BeginChange();
        _files.Save(directory, names.Count > 0 ? names : AdapterNames);
    }

    /// <summary>Attaches a saved adapter and makes it the only active one. On an error nothing changes.</summary>
    /// <param name="directory">Has adapter_config.json and adapter_model.safetensors.</param>
    /// <param name="name">The adapter's name in this model.</param>
    /// <param name="trainable">Whether its parameters are trainable.</param>
    /// <param name="warnings">Receives a sentence for each unknown field, which is ignored.</param>
    /// <exception cref="BadInputException">A file is missing or damaged, or the adapter does not fit this model.</exception>
    public void Load(string directory, string name = DefaultAdapter, bool trainable = false, ICollection<string>? warnings = null)
    {
        using var change = Set.BeginChange();
        _files.Load(directory, name, trainable, GradientsLikeReference, warnings);
    }

    /// <summary>Reads the values of an attached adapter from a directory. On an error nothing changes.</summary>
    public void Reload(string directory, string name = DefaultAdapter)
    {
        using var change = Set.BeginChange();
        _files.Reload(directory, name);
    }

    /// <summary>Saves an adapter so that training can resume exactly: its files and further state, such as the network that computes
    /// virtual tokens, or the scores by which AdaLoRA allocates ranks.</summary>
    public void SaveState(string directory, string name = DefaultAdapter)
    {
        using var change = Set.BeginChange();
        _files.SaveState(directory, name);
    }

    /// <summary>Restores the state that <see cref="SaveState"/> wrote to an attached adapter. On an error nothing changes.</summary>
    public void LoadState(string directory, string name = DefaultAdapter)
    {
        using var change = Set.BeginChange();
        _files.LoadState(directory, name);
    }

    /// <summary>Saves an adapter of any method that adds to or scales weights of linear layers as a LoRA: the truncated SVD of each layer's
    /// update, of the given rank.</summary>
    /// <returns>The path of each layer and its relative error, ‖ΔW − B·A‖/‖ΔW‖ in the Frobenius norm.</returns>
    /// <exception cref="BadInputException">The adapter's update cannot be expressed as a LoRA.</exception>
    public IReadOnlyList<(string Path, double Error)> SaveAsLora(string directory, int rank, string name = DefaultAdapter)
    {
        using var change = Set.BeginChange();
        return _files.SaveAsLora(directory, rank, name);
    }

    /// <summary>Saves a LoRA whose initialisation changes the base's weights (PiSSA, OLoRA) as a plain LoRA of twice the rank, which is
    /// equivalent on the unchanged base and can be combined with others. Any other LoRA is saved unchanged.</summary>
    /// <exception cref="BadInputException">The adapter is not a LoRA.</exception>
    public void SaveConverted(string directory, string name = DefaultAdapter)
    {
        using var change = Set.BeginChange();
        _files.SaveConverted(directory, name);
    }

    /// <summary>Attaches the LoRA of a run that began with <see cref="AddCalibratedAdapter"/>, from its saved state and without data. It is
    /// the only active adapter, ready to train.</summary>
    /// <param name="config">The initial hyperparameters of the run.</param>
    /// <param name="directory">The directory of <see cref="SaveState"/>.</param>
    /// <param name="name">The adapter's name.</param>
    /// <param name="seed">Seed of random values.</param>
    /// <exception cref="BadInputException">The state does not fit the configuration.</exception>
    public void ResumeCalibratedAdapter(LoraConfig config, string directory, string name = DefaultAdapter, ulong seed = 0)
    {
        ArgumentNullException.ThrowIfNull(config);
        using var change = Set.BeginChange();
        _files.Resume(config, directory, name, seed);
    }
}
