using System.IO.Compression;
using System.Text.RegularExpressions;
using System.Xml.Linq;

namespace PeftCore.Deployment.Tests;

/// <summary>The packages as a stranger gets them: restored from a folder into a project outside the repository.</summary>
[NonParallelizable]
public sealed partial class PackageTests
{
    private static readonly string[] Libraries = ["PeftCore", "PeftCore.Tokenizers", "PeftCore.Ilgpu"];

    [Test]
    public void Each_package_has_a_readme_an_icon_a_licence_and_addresses()
    {
        string[] packages = Directory.GetFiles(Packages.Folder, "*.nupkg");
        Assert.That(packages.Select(Path.GetFileName),
            Is.SupersetOf(Libraries.Append("PeftCore.Cli").Select(id => $"{id}.{Packages.Version}.nupkg")));
        foreach (string package in packages)
        {
            using var zip = ZipFile.OpenRead(package);
            var description = zip.Entries.Single(entry => entry.FullName.EndsWith(".nuspec", StringComparison.Ordinal));
            var metadata = XDocument.Load(description.Open()).Root!.Elements().Single();
            foreach (string field in (string[])["readme", "icon", "license", "tags", "projectUrl", "description", "authors"])
            {
                Assert.That(metadata.Elements().Where(element => element.Name.LocalName == field).Select(element => element.Value),
                    Has.One.Not.Empty, $"{package}: {field}");
            }
            Assert.That(zip.GetEntry("README.md"), Is.Not.Null, package);
            Assert.That(zip.GetEntry("icon.png"), Is.Not.Null, package);
        }
    }

    [Test]
    public void Each_library_has_documentation_and_symbols_with_the_sources_addresses()
    {
        foreach (string id in Libraries)
        {
            using var zip = ZipFile.OpenRead(Path.Combine(Packages.Folder, $"{id}.{Packages.Version}.nupkg"));
            using var symbols = ZipFile.OpenRead(Path.Combine(Packages.Folder, $"{id}.{Packages.Version}.snupkg"));
            Assert.That(zip.GetEntry($"lib/net10.0/{id}.xml"), Is.Not.Null, id);
            string[] assemblies = [.. zip.Entries.Select(entry => entry.FullName)
                .Where(name => name.EndsWith(".dll", StringComparison.Ordinal))];
            Assert.That(assemblies, Is.Not.Empty);
            Assert.That(symbols.Entries.Select(entry => entry.FullName),
                Is.SupersetOf(assemblies.Select(name => Path.ChangeExtension(name, ".pdb"))), id);
        }
    }

    // A package that is restored from the folder has no chance to be another: the version is of this run alone. All others come from the
    // cache of this machine, so no registry is needed.
    [Test]
    public void A_fresh_project_trains_with_the_first_snippet_of_the_README()
    {
        using var directory = new TemporaryDirectory();
        string readme = File.ReadAllText(Path.Combine(TestFiles.Root, "README.md"));
        File.WriteAllText(directory["Program.cs"], FirstSnippet().Match(readme).Groups["code"].Value);
        File.WriteAllText(directory["Fresh.csproj"], $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup>
                <OutputType>Exe</OutputType>
                <TargetFramework>net10.0</TargetFramework>
                <ImplicitUsings>enable</ImplicitUsings>
                <Nullable>enable</Nullable>
                <TreatWarningsAsErrors>true</TreatWarningsAsErrors>
                <RestorePackagesPath>packages</RestorePackagesPath>
                <RestoreFallbackFolders>{Cache()}</RestoreFallbackFolders>
              </PropertyGroup>
              <ItemGroup>
                <PackageReference Include="PeftCore" Version="{Packages.Version}" />
              </ItemGroup>
            </Project>
            """);
        File.Copy(Packages.NugetConfig, directory["nuget.config"]);
        string demo = Path.Combine(TestFiles.Root, "src", "PeftCore.Cli", "Demo");
        Directory.CreateDirectory(directory["base-llama"]);
        foreach (string file in Directory.GetFiles(Path.Combine(demo, "base-llama")))
        {
            File.Copy(file, directory["base-llama", Path.GetFileName(file)]);
        }
        File.Copy(Path.Combine(demo, "data", "train.jsonl"), directory["train.jsonl"]);

        Command.Dotnet(directory.FullPath, "build", "-c", "Release");
        string output = Command.Ok(directory.FullPath, "dotnet", [directory["bin", "Release", "net10.0", "Fresh.dll"]]);

        Assert.That(directory["packages", "peftcore", Packages.Version.ToLowerInvariant()], Does.Exist);
        Assert.That(directory["adapter", "adapter_model.safetensors"], Does.Exist);
        double[] losses = [.. Loss().Matches(output).Select(match => double.Parse(match.Groups[1].Value))];
        Assert.That(losses, Has.Length.GreaterThan(10), output);
        Assert.That(losses[^1], Is.LessThan(losses[0] / 2), output);
    }

    [Test]
    public void The_tool_installs_from_the_folder_and_reads_the_model_it_brings()
    {
        using var directory = new TemporaryDirectory();
        Command.Dotnet(directory.FullPath, "tool", "install", "PeftCore.Cli", "--version", Packages.Version,
            "--tool-path", directory["tool"], "--configfile", Packages.NugetConfig);
        string tool = directory["tool", OperatingSystem.IsWindows() ? "peftcore.exe" : "peftcore"];
        string model = Path.GetDirectoryName(Directory.GetFiles(directory["tool"], "model.safetensors", SearchOption.AllDirectories)
            .Single(path => path.Contains("base-llama", StringComparison.Ordinal)))!;
        Assert.That(Command.Ok(directory.FullPath, tool, ["inspect", model, "--json"]), Does.Contain("\"parameters\":3221952"));
    }

    private static string Cache() => Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    [GeneratedRegex("```csharp\r?\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex FirstSnippet();

    [GeneratedRegex("loss ([0-9.]+)")]
    private static partial Regex Loss();
}
