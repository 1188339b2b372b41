namespace PeftCore.Peft.Lora;

/// <summary>Properties of initialisations.</summary>
internal static class LoraInits
{
    extension(LoraInit init)
    {
        /// <summary>Whether the initial factors are subtracted from the base weight.</summary>
        public bool ChangesBase => init is LoraInit.Pissa or LoraInit.Olora or LoraInit.Corda or LoraInit.LoraGa;

        /// <summary>Whether the initial factors come from data, so that they cannot be computed again from the base alone.</summary>
        public bool NeedsData => init is LoraInit.Eva or LoraInit.Corda or LoraInit.LoraGa;
    }
}
