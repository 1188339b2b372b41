using System.Text.RegularExpressions;
using PeftCore.Io;

namespace PeftCore.Models;

/// <summary>The files of a model directory beside configuration and weights, which a model derived from it keeps: generation settings,
/// preprocessors, tokenizers of every kind, chat templates, the noise schedule, and the pooling of sentence-transformers.</summary>
internal static partial class ModelCompanions
{
    private static readonly string[] Names =
    [
        "generation_config.json", "scheduler_config.json",
        "preprocessor_config.json", "processor_config.json", "video_preprocessor_config.json",
        "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "vocab.txt", "normalizer.json",
        "tokenizer.model", "spiece.model", "sentencepiece.bpe.model", "spm.model", "source.spm", "target.spm",
        "chat_template.jinja", "chat_template.json",
        "modules.json", "sentence_bert_config.json", "config_sentence_transformers.json",
    ];

    // Such as 1_Pooling.
    [GeneratedRegex(@"^(additional_chat_templates|\d+_\w+)$")]
    private static partial Regex Folder { get; }

    /// <summary>Whether a file, or a folder if the name ends with a slash, is such a companion.</summary>
    public static bool Has(string name) => name.EndsWith('/') ? Folder.IsMatch(name[..^1]) : Names.Contains(name);

    /// <summary>Copies the companions of a directory that are there, and writes the tokenizer of a GGUF file.</summary>
    /// <exception cref="BadInputException">A file cannot be read or written.</exception>
    public static void Copy(ModelDirectory from, string directory)
    {
        foreach (var (name, text) in from.TokenizerFiles)
        {
            JsonFile.Write(Path.Combine(directory, name), text);
        }
        string source = from.FullPath;
        if (from.TokenizerFiles.Count > 0 || File.Exists(source))
        {
            return;
        }
        foreach (string name in Names.Concat(InFolders(source)))
        {
            if (PendingFiles.Find(Path.Combine(source, name)) is { } file)
            {
                DiskChanges.CreateDirectory(Path.GetDirectoryName(Path.Combine(directory, name))!);
                AtomicFile.WriteAllBytes(Path.Combine(directory, name), Read(file));
            }
        }
    }

    /// <summary>The files of the folders, relative to the directory.</summary>
    private static IEnumerable<string> InFolders(string source) =>
        from folder in Directory.GetDirectories(source)
        let name = Path.GetFileName(folder)
        where Folder.IsMatch(name)
        from file in Directory.GetFiles(folder)
        select Path.Combine(name, Path.GetFileName(file));

    private static byte[] Read(string file)
    {
        try
        {
            return File.ReadAllBytes(file);
        }
        catch (Exception e) when (FileErrors.IsFileError(e))
        {
            throw FileErrors.Reading(file, e);
        }
    }
}
