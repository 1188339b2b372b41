#:project ../../src/PeftCore/PeftCore.csproj

// Embeds the beginning of every text file of a folder, and lists for a question the files whose embeddings are nearest.
//
//   dotnet run -c Release docs/samples/embed-folder.cs
//   dotnet run -c Release docs/samples/embed-folder.cs FOLDER QUESTION MODEL
//
// Without a folder it writes six short texts. The bundled model is a small decoder that was trained on novels; a
// sentence-transformers model in its place finds far better.

using System.Numerics.Tensors;
using PeftCore.Autograd;
using PeftCore.Backends;
using PeftCore.Models;
using PeftCore.Tensors;
using PeftCore.Tokenizers;

string folder = args.Length > 0 ? args[0] : WriteTexts();
string question = args.Length > 1 ? args[1] : "Which men were out on the water in a boat?";
string directory = args.Length > 2 ? args[2] : "src/PeftCore.Cli/Demo/base-llama";
const int MostTokens = 128, BatchSize = 8;

using var backend = new CpuBackend();
var tokenizer = Tokenizer.FromDirectory(directory);
// The mean of the last hidden states of a text is its embedding.
using var model = ModelLoader.Load(directory, backend, task: new TaskOptions { Task = ModelTask.FeatureExtraction, Pooling = "mean" });

string[] files = [.. Directory.GetFiles(folder, "*.txt").Concat(Directory.GetFiles(folder, "*.md")).Order(StringComparer.Ordinal)];
float[][] embeddings = [.. files.Chunk(BatchSize).SelectMany(batch => Embed(batch.Select(File.ReadAllText)))];
Console.WriteLine($"{embeddings.Length} files, {embeddings[0].Length} numbers each");

// What all texts have in common says nothing about one of them: the mean of the files is subtracted from every embedding.
float[] mean = [.. Enumerable.Range(0, model.HiddenSize).Select(c => embeddings.Average(embedding => embedding[c]))];
float[] asked = Centered(Embed([question])[0]);
Console.WriteLine(question);
foreach (var (file, similarity) in files.Zip(embeddings, (file, embedding) => (file, Similarity(asked, Centered(embedding))))
    .OrderByDescending(found => found.Item2))
{
    Console.WriteLine($"  {similarity,6:0.000}  {Path.GetFileName(file)}");
}
if (args.Length == 0)
{
    Directory.Delete(folder, recursive: true);
}

static float Similarity(float[] a, float[] b) => TensorPrimitives.CosineSimilarity(a, b);

float[] Centered(float[] embedding) => [.. embedding.Zip(mean, (value, common) => value - common)];

float[][] Embed(IEnumerable<string> texts)
{
    int[][] tokens = [.. texts.Select(text => tokenizer.Encode(text).Ids.Take(MostTokens).ToArray())];
    int length = tokens.Max(ids => ids.Length), pad = tokenizer.PadId ?? 0;
    int[] ids = new int[tokens.Length * length], mask = new int[ids.Length]; // (B, T); 0 in the mask is padding
    Array.Fill(ids, pad);
    for (int row = 0; row < tokens.Length; row++)
    {
        tokens[row].CopyTo(ids, row * length);
        mask.AsSpan(row * length, tokens[row].Length).Fill(1);
    }
    using var scope = new TensorScope();
    var inputs = model.ToInputs(new InputArrays { Ids = ids, BatchSize = tokens.Length, Mask = mask });
    float[] all = Tape.NoGrad(() => model.Logits(inputs)).ToFloats(); // (B, C)
    return [.. all.Chunk(model.HiddenSize)];
}

static string WriteTexts()
{
    string folder = Directory.CreateTempSubdirectory("embed-folder-").FullName;
    foreach (var (name, text) in new (string, string)[]
    {
        ("sea-1", "The captain stood on the deck and watched the waves, while the sailors hauled up the sails and the ship left "
            + "the harbour."),
        ("sea-2", "The boat came in from the sea with the tide, and the fishermen drew their nets on to the shore."),
        ("garden-1", "The roses were in bloom, and the old gardener watered the beds of flowers under the apple trees."),
        ("garden-2", "She walked in the garden among the lilies and the lilacs, and picked violets for her mother."),
        ("court-1", "The lawyer read the will aloud, and the heirs spoke of the money and of the estate."),
        ("court-2", "The judge asked the witness about the debt, and the court heard of the letters and of the bank."),
    })
    {
        File.WriteAllText(Path.Combine(folder, name + ".txt"), text);
    }
    return folder;
}
