namespace PeftCore.Cli.Session.Fit;

/// <summary>How the linear layers of the frozen base are stored, from the most to the least like the files.</summary>
internal enum BaseStorage
{
    AsStored,
    Int8,
    FourBit,

    /// <summary>Four bits, the scales of blocks quantised as well.</summary>
    FourBitDouble,
}
