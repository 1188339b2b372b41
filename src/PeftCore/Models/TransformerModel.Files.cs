using PeftCore.Backends;
using PeftCore.Io;
using PeftCore.Tensors;

namespace PeftCore.Models;

// Weight files: names of tensors, the tensors of which a parameter is made, buffers, and heads that a file lacks.
public abstract partial class TransformerModel
{
    /// <summary>The class that config.json names; null if it names none, or that of another task.</summary>
    internal string? Architecture { get; set; }

    /// <summary>What the configuration says of quantised weights; null if it says nothing.</summary>
    internal Quantized.StoredQuantization? StoredQuantization { get; set; }

    /// <summary>Whether the head is not that of the weight file and starts with random weights.</summary>
    internal bool HasNewHead { get; set; }

    /// <summary>Names of the modules that the weight file lacks, so that they have random weights: parts of a new head, and layers between
    /// body and head, such as a pooler.</summary>
    internal IReadOnlyList<string> NewModules { get; set; } = [];

    /// <summary>Prefix of all parameter names but the head's. Weight files of the bare model leave it out.</summary>
    internal virtual string BasePrefix => "";

    /// <summary>The prefix that weight files of models with a head put before the names of this model, which has none.</summary>
    internal virtual string MissingPrefix => "";

    /// <summary>The tensors of which a weight file makes the parameter at a path, for files of another layout; null if it has the parameter
    /// itself.</summary>
    internal virtual IReadOnlyList<WeightPiece>? PiecesOf(string path) => null;

    /// <summary>The name of the head's table in weight files, which may repeat the embedding's if the head is tied.</summary>
    internal virtual string HeadTable => "lm_head.weight";

    /// <summary>Another name of a parameter, in older weight files; null if there is none.</summary>
    internal virtual string? OldName(string path) => null;

    /// <summary>The name of a parameter in weight files, if it is not its path.</summary>
    internal virtual string FileName(string path) => Renamed?.ToOld(path) ?? path;

    /// <summary>Modules that transformers renamed, so that files and adapters have either names; null for none.</summary>
    internal virtual RenamedModules? Renamed => null;

    /// <summary>Whether a name in a weight file is a buffer, which is no parameter.</summary>
    internal virtual bool IsBuffer(string name) => false;

    /// <summary>Reads a buffer; most are computed and need not be read.</summary>
    internal virtual void ReadBuffer(WeightEntry entry, Backend backend) { }

    /// <summary>The buffers that a weight file of this model must have.</summary>
    internal virtual IEnumerable<(string Name, Tensor Value)> Buffers => [];

    /// <summary>Whether a parameter belongs to the head, so that a file for another task lacks it.</summary>
    internal virtual bool IsHead(string path) => BasePrefix.Length > 0 && !path.StartsWith(BasePrefix, StringComparison.Ordinal);

    /// <summary>Whether a name in a weight file belongs to a head of another task, which this model leaves out.</summary>
    internal virtual bool IsOtherHead(string name) => false;

    /// <summary>Whether a path lies in a module of the reference's model that no output of this task depends on, so that an adapter of it
    /// changes nothing.</summary>
    internal virtual bool IsUnread(string path) => false;
}
